"""The figures of the notebooks, by what they show.

One colour for one thing throughout the course, from the palette of Okabe and Ito, which
colour-blind readers can tell apart. Each function returns its figure; `show` displays it with
a caption, and a description for those who do not see it. scikit-learn and the like come in with
the figure that needs them.
"""

# ruff: noqa: F401  (the names are for the notebooks)
from helpers.plotting.diagrams import convolution_picture, network_diagram, transposed_picture
from helpers.plotting.ladder import ladder_steps, residual_block, seen_flow
from helpers.plotting.latent import embedding, posteriors, reparameterization
from helpers.plotting.lines import (
    LiveCurve,
    band,
    bars,
    boxes,
    curves,
    estimates,
    mixed_scatter,
    scatter,
    share_bars,
    training_curves,
)
from helpers.plotting.pictures import (
    as_pictures,
    image_rows,
    labelled_pictures,
    map_rows,
    mosaic,
    residual_rows,
    scan_profile,
    scan_rows,
)
from helpers.plotting.scores import (
    false_alarm_histogram,
    rate_strip,
    reliability_diagram,
    roc_and_precision,
    score_histogram,
)
from helpers.plotting.style import (
    ANOMALY,
    CLASSES,
    FOURTH,
    GROUPS,
    LINES,
    MARKERS,
    NORMAL,
    RESIDUAL,
    SECOND,
    THIRD,
    THRESHOLD,
    Picture,
    as_output,
    ink,
    new_figure,
    show,
    use_course_style,
)
from helpers.plotting.tables import (
    auroc_table,
    beta_sweep,
    bottleneck,
    differences,
    intervals,
    score_strip,
    seed_intervals,
    severity_curves,
)
