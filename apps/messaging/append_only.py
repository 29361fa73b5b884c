"""A migration operation: tables whose rows are never changed again, not even by mistake."""

from collections.abc import Sequence

from django.conf import settings
from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


class AppendOnly(Operation):
    """Take UPDATE, DELETE and TRUNCATE on a table from the run-time role of its database; columns
    in `but` may still be updated.

    Needs the run-time role's name, from DATABASE_URL_<ALIAS>. Where run time and migrations share
    one role there is nothing to take: an owner keeps all rights.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, table: str, but: Sequence[str] = ()) -> None:
        self.table = table
        self.but = but

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """No change of the models' state."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self._run(
            app_label, schema_editor, "REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {role}"
        )
        if self.but:
            self._run(app_label, schema_editor, "GRANT UPDATE ({columns}) ON {table} TO {role}")

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self._run(app_label, schema_editor, "GRANT UPDATE, DELETE ON {table} TO {role}")

    def describe(self) -> str:
        return f"Make {self.table} append-only for the run-time role"

    def _run(self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, statement: str) -> None:
        if not router.allow_migrate(schema_editor.connection.alias, app_label):
            return  # the table is in another database
        role = settings.RUNTIME_ROLES.get(schema_editor.connection.alias, "")
        if role and role != schema_editor.connection.settings_dict["USER"]:
            quote = schema_editor.quote_name
            columns = ", ".join(map(quote, self.but))
            words = {"table": quote(self.table), "role": quote(role), "columns": columns}
            schema_editor.execute(statement.format(**words))
