@echo off
rem Installs the course from this folder and opens it. See README.txt.
for /f "usebackq tokens=*" %%v in ("%~dp0wheels\pythons.txt") do (
  py -%%v -c "import venv" >nul 2>nul && (
    py -%%v "%~dp0start.py" %*
    if errorlevel 1 pause
    exit /b
  )
)
echo No Python of the versions in wheels\pythons.txt was found. See README.txt.
pause
exit /b 1
