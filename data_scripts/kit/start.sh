#!/bin/sh
# Installs the course from this folder and opens it. See README.txt.
here=$(cd "$(dirname "$0")" && pwd)
for version in $(cat "$here/wheels/pythons.txt"); do
  if "python$version" -c 'import ensurepip, venv' 2>/dev/null; then
    exec "python$version" "$here/start.py" "$@"
  fi
done
echo "No Python of these versions was found: $(cat "$here/wheels/pythons.txt")."
echo "See README.txt. On Debian and Ubuntu the package python3-venv is needed as well."
exit 1
