"""What can be wrong with a definition, or with what is asked of one."""


class DefinitionError(Exception):
    """A definition cannot work as it is written: correct the step that the message names."""

    def __init__(self, process: str, step: str, problem: str) -> None:
        self.process, self.step, self.problem = process, step, problem
        super().__init__(f"{process}.{step}: {problem}" if step else f"{process}: {problem}")


class UnknownStep(LookupError):
    """A process has no step of that name: a plan was made by another version of the definition."""

    def __init__(self, process: str, step: str) -> None:
        self.process, self.step = process, step
        super().__init__(f"The process {process} has no step {step!r}.")


class UnknownWish(LookupError):
    """Something is wished that no step of the process is there for."""

    def __init__(self, process: str, wishes: list[str]) -> None:
        self.process, self.wishes = process, wishes
        super().__init__(f"The process {process} knows no wish {', '.join(map(repr, wishes))}.")


class UnknownProcess(LookupError):
    """No live definition has that name and version: deploy the code that has it, then replay."""

    def __init__(self, name: str, version: int) -> None:
        self.name, self.version = name, version
        super().__init__(f"There is no process {name!r} of version {version}.")


class NoDefinition(LookupError):
    """No definition that this code has fits the saga's plan: deploy the code that it began with,
    beside the new one; then it goes on by itself."""

    def __init__(self, *, plan: str, problem: str) -> None:
        self.plan, self.problem = plan, problem
        told = " ".join((self.__doc__ or "").split())
        super().__init__(f"{told} (plan={plan!r}, problem={problem!r})")
