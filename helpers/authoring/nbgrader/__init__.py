"""The exercise notebooks as an nbgrader course: python -m helpers.authoring.nbgrader DIR

The builder's notebooks with nbgrader's metadata in place of the badges, and a configuration that
leaves the judging to the course's own grader (`judge.py` says why).
"""
