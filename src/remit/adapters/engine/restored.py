"""An engine's database that came out of a backup: nothing in it goes on by itself."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from remit.adapters.engine.database import engine_database
from remit.adapters.engine.records import EXECUTOR, STATUS, Records
from remit.kernel.errors import Unavailable


def hold_runs(url: str) -> list[str]:
    """Cancel every run that has not ended and forget every executor; which runs. A resume orders a new run.

    Raises:
        Unavailable: The database is not there.
    """
    database = engine_database(url)
    engine = database.engine(1)
    try:
        records = Records(database, engine)
        with engine.connect() as connection:
            known = set(sa.inspect(connection).get_table_names(schema=database.schema))
        if STATUS.name not in known:
            return []  # the engine was never started
        with records.exclusive(wait=True) as connection:
            if EXECUTOR.name in known:
                connection.execute(sa.delete(EXECUTOR))
            return records.cancel_unfinished(connection)
    except SQLAlchemyError as error:
        message = f"The engine's database does not answer ({type(error).__name__})."
        raise Unavailable(message, code="unavailable.engine") from error
    finally:
        engine.dispose()
