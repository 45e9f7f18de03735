"""Grading of submitted notebooks. `python -m helpers.checks.grade --help` is the way in.

Two processes for each submission. The one in the sandbox (`inside`) runs the learner's cells. It
has no network, no other file than its own, and a course without the references (`sandbox`). The
other is the grader: it runs the probes of `helpers.checks` on stand-ins (`standin`), which send
each call into the sandbox and bring back numbers (`wire`). What is right, and the verdict, are
never in the process that runs the submission.
"""
