"""Each module's own experiment, one file a module: its roles, trainings, scores and long tables."""
