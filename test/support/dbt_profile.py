"""Prints a target of a profile as dbt's own adapter has it, without its secrets. Arguments: project directory, target."""

import json
import os
import sys
from argparse import Namespace

from dbt.flags import set_from_args
from dbt_common.context import set_invocation_context

set_invocation_context(dict(os.environ))
set_from_args(Namespace(PROFILES_DIR=sys.argv[1], PROJECT_DIR=sys.argv[1]), None)

from dbt.config.runtime import load_profile  # noqa: E402 - it reads the flags when it is loaded

credentials = load_profile(sys.argv[1], {}, target_override=sys.argv[2]).credentials
# What dbt debug shows leaves out how Spark is reached.
method = getattr(credentials, "method", None)
shown = {"type": credentials.type, "method": getattr(method, "value", method), **dict(credentials.connection_info())}
print(json.dumps(shown, default=str))
