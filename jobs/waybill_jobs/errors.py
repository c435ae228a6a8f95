"""One exception for everything a job refuses, with the parts an operator needs."""


class JobError(Exception):
    """A failure with a stable code, what failed, and what to do next. Never carries a secret."""

    def __init__(self, code: str, message: str, advice: str) -> None:
        super().__init__(f"{code}: {message} Next: {advice}")
        self.code = code
        self.message = message
        self.advice = advice
