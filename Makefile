# The course in one-word commands: `make` lists them. Works with GNU make from 3.81 (macOS) on.
# Settings: make env PYTHON=/path/to/python3.12 · make lab PORT=8890 TORCH=cpu · make build MODULE=01
# ARGS=... is passed on to the command behind build, results, data, kit, slides, bench and lock.

PORT = 8888
CLASS = ../nbgrader-course
WORKERS = 2
PYTHONS = $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python)
PY = .venv/bin/python
JS = tests/explorables/javascript
SLIDES = site/slides
ONE_THREAD = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# PyPI's torch brings CUDA on Linux; TORCH=cpu takes PyTorch's own CPU build. .venv remembers it.
DOWNLOAD_GB = 1
DISK_GB = 2
ifeq ($(shell uname -s),Linux)
TORCH = $(shell cat .venv/torch 2>/dev/null)
ifneq ($(filter-out cpu,$(TORCH)),)
$(error TORCH=$(TORCH) is not known; there is TORCH=cpu, or none)
endif
ifneq ($(TORCH),cpu)
DOWNLOAD_GB = 3
DISK_GB = 7
endif
else
override TORCH =
endif

.PHONY: help lab env dev test build results data kit slides bench site nbgrader hub lint lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile

lab: env ## open the course in JupyterLab [PORT=8888] [TORCH=cpu: Linux without a GPU]
	@echo "Starting JupyterLab on port $(PORT), or the next free one. To stop it, press Ctrl-C twice here."
	@[ "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname -s)" = Darwin ] || browser=--no-browser; \
	JUPYTER_CONFIG_PATH="$(CURDIR)/.jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
	exec $(PY) -m jupyterlab $$browser --allow-root --log-level=WARN \
	  --ServerApp.ip=127.0.0.1 --ServerApp.port=$(PORT) --ServerApp.root_dir="$(CURDIR)" \
	  --LabApp.default_url=/lab/tree/notebooks/README.md

env: venv ## set up .venv, what a learner needs [PYTHON=python3.12]
	@$(call install,requirements.txt)
	@$(editable)

dev: env ## the same with the maintainers' tools
	@$(call install,requirements-dev.txt)

# Two calls: the second times what no other test may slow down. A worker is given whole files and
# notebooks; tests/conftest.py says which come first. The settings are for the notebooks; the tests
# of the library choose their own.
PROFILE = smoke
PYTEST = env $(ONE_THREAD) COURSE_PROFILE=$(PROFILE) COURSE_STRICT=1 $(PY) -m pytest
test: dev ## run all tests, with the time of each part [PROFILE=quick: notebooks train as learners do]
	@status=0; start=$$(date +%s); \
	$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=10 -m "not alone" \
	  --nbval-lax --nbval-current-env --nbval-cell-timeout=600 tests solutions/*.ipynb || status=1; \
	$(PYTEST) -m alone tests/browser || status=1; \
	echo "== $$(($$(date +%s) - start)) s in all"; exit $$status

build: dev ## notebooks from solutions/*.py [MODULE=01] [ARGS=--no-execute]
	@$(PY) -m helpers.authoring $(MODULE) $(ARGS)

results: dev ## compute solutions/results, entry by entry; may be stopped and taken up again
	@$(PY) -m helpers.results.compute $(ARGS)

data: env ## download and prepare the five data sets [ARGS=mnist]
	@$(PY) -m data_scripts.prepare $(ARGS)

kit: dev ## the course in one folder for a USB stick, packages and data included [DIR=kit] [PLATFORMS="linux windows"]
	@$(PY) -m data_scripts.kit "$(or $(DIR),kit)" $(if $(PLATFORMS),--platforms $(PLATFORMS)) $(ARGS)

slides: dev ## slides of the solved notebooks in _slides, for a browser without a network [MODULE=01] [ARGS=--check]
	@command -v npm >/dev/null || { echo "Slides need npm, which brings reveal.js and MathJax." >&2; exit 1; }; \
	cmp -s $(SLIDES)/package-lock.json $(SLIDES)/node_modules/package-lock.json || { \
	  npm --prefix $(SLIDES) ci --silent --no-audit --no-fund && \
	  cp $(SLIDES)/package-lock.json $(SLIDES)/node_modules/; } || { $(failed); }
	@$(PY) -m helpers.authoring.slides $(MODULE) $(ARGS)

bench: dev ## time the course on this machine
	@$(PY) -m helpers.authoring.bench $(ARGS)

site: venv ## the course as a static site in _site/_build/html, in an environment of its own
	@$(call own_venv,site)
	@.venv-site/bin/jupyter-book build . --quiet --config site/_config.yml --toc site/_toc.yml \
	  --path-output _site -W --keep-going $(ARGS)

nbgrader: env ## an nbgrader course of the exercises, in a new folder [DIR=../nbgrader-course]
	@$(call own_venv,nbgrader)
	@$(PY) -m helpers.authoring.nbgrader $(or $(DIR),$(CLASS))
	@cd $(or $(DIR),$(CLASS)) && export PATH="$(CURDIR)/.venv-nbgrader/bin:$$PATH" && \
	for module in source/*; do nbgrader generate_assignment --log-level=WARN $${module#source/} || exit; done
	@echo "$(or $(DIR),$(CLASS)): release/ is for the learners, submitted/NAME/module_01/ takes what they hand in." \
	  "Then, there: $(CURDIR)/.venv-nbgrader/bin/nbgrader autograde module_01"

hub: env ## a JupyterHub on this machine, to rehearse a class (hub/README.md)
	@$(call own_venv,hub)
	@mkdir -p _hub && cd _hub && PATH="$(CURDIR)/.venv-hub/bin:$$PATH" \
	  exec jupyterhub -f ../hub/jupyterhub_config.py

lint: dev ## check style and format of everything, notebooks included
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .
	@command -v npm >/dev/null || { echo "No npm: the JavaScript in helpers/explorables is not checked."; exit; }; \
	[ -d $(JS)/node_modules ] || npm --prefix $(JS) ci --silent --no-audit --no-fund || \
	  { echo "npm could not install the tools in $(JS): the JavaScript is not checked."; exit; }; \
	$(JS)/node_modules/.bin/eslint -c $(JS)/eslint.config.js --max-warnings 0 helpers/explorables && \
	$(JS)/node_modules/.bin/prettier --config $(JS)/package.json --log-level warn \
	  --check "helpers/explorables/*.{mjs,js,css}"

lock: venv ## renew the lock after a change in pyproject.toml [ARGS=--upgrade]
	@$(call compile,requirements.txt,pyproject.toml --group build)
	@$(call compile,requirements-dev.txt,pyproject.toml --group build --extra dev \
	  --constraints locks/requirements.txt)
	@$(call compile,requirements-site.txt,--group site)
	@$(call compile,requirements-nbgrader.txt,--group nbgrader)
	@$(call compile,requirements-hub.txt,--group hub)

clean: ## remove .venv and caches; data and notebooks stay
	rm -rf .venv .venv-site .venv-nbgrader .venv-hub _site _hub _slides .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# A candidate is asked for its version, not looked up: pyenv puts a python3.13 on the PATH that
# only prints an error. Debian splits ensurepip off, and a Python that was built where a library had
# no headers lacks the module for it. uv comes from the lock like all the rest.
STANDARD = ensurepip venv ssl zlib bz2 lzma ctypes sqlite3
.PHONY: venv
venv:
	@$(PY) -c 'import pip' >/dev/null 2>&1 && exit; \
	for python in $(PYTHONS); do \
	  version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
	  case $$version in \
	    3.11|3.12|3.13) lacks=; for module in $(STANDARD); do \
	        $$python -c "import $$module" 2>/dev/null || lacks="$$lacks $$module"; done; \
	      [ "$$lacks" ] || { chosen=$$python; break; }; \
	      seen="$$seen $$python is $$version but lacks$$lacks."; \
	      case $$lacks in *ensurepip*|*venv*) seen="$$seen Debian, Ubuntu: apt install python$$version-venv.";; \
	        *) seen="$$seen It was built without their libraries.";; esac;; \
	    *) seen="$$seen $$python is $$version.";; \
	  esac; \
	done; \
	if [ -z "$$chosen" ]; then \
	  echo "The course needs Python 3.11, 3.12 or 3.13.$${seen:- None was found.}" \
	    "Install one, or name it: make env PYTHON=/path/to/python3.12" >&2; exit 1; \
	fi; \
	echo "Creating .venv with $$chosen (Python $$version)."; \
	rm -rf .venv && $$chosen -m venv .venv
	@[ -x .venv/bin/uv ] || sed -n '/^uv==/,/[^\\]$$/p' locks/requirements-dev.txt | \
	$(PIP) --quiet -r /dev/stdin || { $(failed); }

# $(call install,LOCK) does nothing while .venv holds a copy of that very lock. The copy is made
# last, so an interrupted installation is taken up again. pip steps in for uv where a site sets
# its package mirror in pip's configuration alone.
define install
cmp -s locks/$(1) .venv/$(1) && { echo "$(1): up to date."; exit; }; \
have=$$(($$(df -Pk . | awk 'NR == 2 {print $$4}') + $$(du -sk .venv | cut -f1))); \
if [ $$have -lt $$(($(DISK_GB) * 1000000)) ]; then \
  echo "The environment needs $(DISK_GB) GB of disk space in $(CURDIR), and there are" \
    "$$((have / 1000000)).$$((have / 100000 % 10)) GB. Make room, then run the command again." >&2; \
  exit 1; \
fi; \
[ -e .venv/requirements.txt ] || size=" About $(DOWNLOAD_GB) GB to download and $(DISK_GB) GB on disk: 1 minute on a fast line, 15 on a slow one."; \
echo "Installing locks/$(1) into .venv.$$size"; \
{ $(if $(TORCH),$(install_$(TORCH)),$(UV) --require-hashes -r locks/$(1) || \
{ echo "uv could not install it; trying pip."; $(PIP) -r locks/$(1); }); } || { $(failed); }; \
cp locks/$(1) .venv/$(1)
endef

# $(call own_venv,NAME): .venv-NAME with locks/requirements-NAME.txt, for tools that would change the
# versions in .venv.
define own_venv
cmp -s locks/requirements-$(1).txt .venv-$(1)/requirements-$(1).txt || { \
echo "Installing locks/requirements-$(1).txt into .venv-$(1)."; \
.venv/bin/uv venv --quiet --clear --python $(PY) .venv-$(1) && \
.venv/bin/uv pip install --quiet --python .venv-$(1)/bin/python --require-hashes \
  -r locks/requirements-$(1).txt && \
cp locks/requirements-$(1).txt .venv-$(1)/ || { $(failed); }; }
endef

# Notebooks find the course from any folder. The lock holds the build backend, so no network is needed.
# Done again where pyproject.toml has changed or the folder was moved.
define editable
{ pwd; cat pyproject.toml; } | cmp -s - .venv/course || { \
$(PY) -m pip install --disable-pip-version-check --quiet --no-index --no-deps --no-build-isolation \
  --editable . && { pwd; cat pyproject.toml; } >.venv/course || { $(failed); }; }
endef

# All but torch comes from the lock, with hashes. The CPU builds of torch and torchvision have the
# lock's versions, but other files than PyPI's: their hashes are not in the lock and not checked. uv
# knows where they lie; pip does not, so it cannot step in.
define install_cpu
awk '/^[a-z]/ {keep = !/^(torch|torchvision|triton|(nvidia|cuda)-[a-z0-9-]*)==/} keep' locks/$(1) \
  >.venv/without-torch.txt && \
$(UV) --require-hashes -r .venv/without-torch.txt && \
$(UV) --torch-backend cpu $$(sed -n 's/^\(torch[a-z]*==[0-9.]*\).*/\1/p' locks/$(1)) && \
echo cpu >.venv/torch
endef

# compiled now, as pip does, while the network has the learner wait anyway: else the first notebook
# takes three times as long to import, and each one where nothing may be written
UV = .venv/bin/uv pip install --compile-bytecode --python $(PY)
PIP = $(PY) -m pip install --disable-pip-version-check --require-hashes
failed = echo "The installation failed; the lines above say why (network, disk, platform)." \
  "What was done is kept: run the command again." \
  "Another way is conda: conda env create -f environment.yml" >&2; exit 1

define compile
.venv/bin/uv pip compile $(2) --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header --quiet $(ARGS) --output-file locks/$(1)
endef
