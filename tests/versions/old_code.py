"""manage.py as it was before version 2 of place_order: what an older deployment runs.

The definition is taken away before anything has read the live definitions; all that follows from
them (topics that are read, answers, refusals, plans that are understood) is then as it was.
"""

import apps.processes
from apps.processes import PLACE_ORDER, registry

OLD = (PLACE_ORDER,)


def forget_newer_versions() -> None:
    """Of this process."""
    apps.processes.LIVE = registry.LIVE = OLD
    registry.BY_NAME_AND_VERSION = registry.by_name_and_version(OLD)


if __name__ == "__main__":
    from manage import main

    forget_newer_versions()
    main()
