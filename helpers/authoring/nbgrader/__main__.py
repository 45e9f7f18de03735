"""python -m helpers.authoring.nbgrader DIR: write the folder of an nbgrader course."""

import argparse
import sys

from helpers.authoring.nbgrader.course import CourseExistsError, write


def main():
    parser = argparse.ArgumentParser(prog="make nbgrader", description=__doc__)
    parser.add_argument("folder", metavar="DIR", help="a new or an empty folder")
    try:
        write(parser.parse_args().folder)
    except (CourseExistsError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
