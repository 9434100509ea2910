"""MLflow runs, and their silent twin.

A training function gets a `Run` and logs to it; whether MLflow is behind it is not its business.
The store is `sqlite:///mlflow.db` in the project's own folder, also for experiments that DVC runs
in a copy of it; MLFLOW_TRACKING_URI names another.

Nothing is lost: what the store does not take now is kept, and sent when it answers again. Nothing
is there twice: the same training (stage, params, data and code) goes on in the run that it has, and
what that run knows is not sent again.
"""

from srlab.tracking.opening import run as run
from srlab.tracking.protocol import Run as Run
from srlab.tracking.protocol import SilentRun as SilentRun
from srlab.tracking.store import tracking_uri as tracking_uri
