"""A home of an older version: its agents keep what they may, and their teams get an owner."""

from pathlib import Path

from alembic import command
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from remit.accounts.access import rights_of
from remit.accounts.agents import AgentStatus, find_agent
from remit.accounts.roles import ROLE_RIGHTS, Role
from remit.accounts.teams import find_team, view_team
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.migrate import alembic_config
from remit.adapters.store.sqlite import SqliteStore

OLD = """
INSERT INTO workspace (workspace, name, created_us) VALUES ('acme', 'Acme', 1);
INSERT INTO account_user (workspace, id, name, role, created_us) VALUES ('acme', 'Ada L.', 'Ada', 'owner', 1);
INSERT INTO agent VALUES ('acme', 'coder', 'coder', 'Ada L.', 'red', '["model","tool"]', '["x"]', 'paused', 2);
INSERT INTO agent VALUES ('acme', 'tester', 'tester', 'Ada L.', 'red', '[]', '[]', 'active', 3);
INSERT INTO agent VALUES ('acme', 'loner', 'tester', 'Ada L.', '', '[]', '[]', 'active', 3);
"""


def test_an_older_home_keeps_its_agents_and_its_teams_get_an_owner(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/remit.db", poolclass=NullPool)
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0003")
        for statement in filter(None, map(str.strip, OLD.split(";"))):
            connection.execute(text(statement))
    engine.dispose()
    signer = create_key(tmp_path / "audit.key")
    with SqliteStore(tmp_path / "remit.db", [signer], heads=tmp_path / "heads.log") as store:
        store.migrate()
        agent = store.view(lambda tx: find_agent(tx, workspace="acme", name="coder"))
        assert (agent.models, agent.domains, agent.revision) == (frozenset("*"), frozenset("*"), 1)
        assert (agent.team, agent.status) == ("red", AgentStatus.PAUSED)
        view = store.view(lambda tx: view_team(tx, find_team(tx, workspace="acme", slug="red")))
        assert [(member.user, member.role) for member in view.members] == [("Ada L.", Role.OWNER)]
        assert view.agents == ("coder", "tester")
        rights = store.view(lambda tx: rights_of(tx, "Ada L.", workspace="acme"))
        assert rights == ROLE_RIGHTS[Role.OWNER]
