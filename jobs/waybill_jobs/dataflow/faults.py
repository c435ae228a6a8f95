"""What a data flow is refused for: one code each, with the name of what is at fault."""

from waybill_jobs.errors import JobError


class Unsupported(JobError):
    """A transformation, function, type or option that this interpreter does not run."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(
            "DATAFLOW_UNSUPPORTED",
            f"The data flow uses the {what} '{name}', which waybill does not run.",
            "See jobs/waybill_jobs/dataflow/supported.json for what it runs.",
        )


class Invalid(JobError):
    """A program or a plan that contradicts itself or its data."""

    def __init__(self, message: str) -> None:
        super().__init__("DATAFLOW_INVALID", message, "Correct the data flow's script or the plan.")
