"""What a command of a mission can and can't do, tier by tier, with hostile commands."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import remit
from remit.adapters.sandbox import tiers
from remit.adapters.sandbox.adapter import CommandAdapter
from remit.adapters.sandbox.leftover import kill_leftover
from remit.adapters.sandbox.processes import descendants, start_date, start_time
from remit.adapters.sandbox.run import CommandResult, CommandSpec, End, Reach, run_command
from remit.adapters.sandbox.tiers import Probe, Tier
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Command, Limits, Network
from remit.kernel.errors import Denied, Failed, InvalidInput

from ..pace import Pace  # noqa: TID252 - tests are loaded by path

PYTHON = Path(sys.executable)
SOURCES = Path(remit.__file__).parents[1]


def require(tier: Tier) -> Tier:
    offered = tiers.probe()
    if tier not in offered.tiers:
        reason = f"sandbox tier {int(tier)} ({tier.name.lower()}): {offered.missing[tier]}"
        if os.environ.get("REMIT_REQUIRE_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)
    return tier


@pytest.fixture(params=[Tier.PROCESS, Tier.LANDLOCK, Tier.NAMESPACE], ids=lambda tier: tier.name.lower())
def tier(request: pytest.FixtureRequest) -> Tier:
    return require(request.param)


@pytest.fixture(params=[Tier.LANDLOCK, Tier.NAMESPACE], ids=lambda tier: tier.name.lower())
def confined(request: pytest.FixtureRequest) -> Tier:
    return require(request.param)


type Run = Callable[..., asyncio.Future[CommandResult]]


@pytest.fixture
def step(tmp_path: Path) -> Path:
    folder = tmp_path / "home" / "missions" / "m1" / "steps" / "build"
    folder.mkdir(parents=True)
    return folder


def spec(step: Path, code: str, **options: object) -> CommandSpec:
    argv = (str(PYTHON), "-I", "-c", textwrap.dedent(code))
    private = step.parent / ".build.private"
    return CommandSpec(argv, step, private, read_only=tiers.interpreter_paths(PYTHON), **options)  # pyright: ignore[reportArgumentType]


async def run(step: Path, tier: Tier, code: str, **options: object) -> CommandResult:
    return await run_command(spec(step, code, **options), on_started=unrecorded, tier=tier)


async def timed(step: Path, tier: Tier, code: str, begun: str, **options: object) -> CommandResult:
    """Run until its time is over: as much of it as the machine needs to come to where the file ``begun`` is made."""
    for wall_s in (1.0, 4.0, 16.0, 60.0):
        result = await run(step, tier, code, limits=Limits(wall_s=wall_s), **options)
        if (step / begun).exists():
            break
    return result


def unrecorded(_group: int, _start: str) -> None:
    """For commands whose leftovers no test looks for."""


def unrecorded_action(_action: Action, _group: int, _start: str) -> None:
    """As `unrecorded`, for the adapter."""


def alive(marker: Path) -> bool:
    """Whether the process that wrote its heartbeat to `marker` still does."""
    before = marker.read_bytes()
    time.sleep(0.3)
    return marker.read_bytes() != before


HEARTBEAT = """
    def beat():
        import time
        n = 0
        while True:
            n += 1
            with open("beat", "w") as file:
                file.write(str(n))
            time.sleep(0.02)
    def started():
        import os, time
        while not os.path.exists("beat") or not os.path.getsize("beat"):
            time.sleep(0.01)
"""
DAEMON = (
    HEARTBEAT
    + """
    import os
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.environ.clear()
            beat()
        os._exit(0)
    os.wait()
    started()
"""
)


async def test_a_command_runs_and_says_how_it_went(step: Path, tier: Tier) -> None:
    result = await run(
        step, tier, "import sys; print('out'); print('err', file=sys.stderr); open('made','w').write('x'); sys.exit(7)"
    )
    assert (result.exit_code, result.stdout, result.stderr) == (7, b"out\n", b"err\n")
    assert (result.tier, result.end, result.truncated) == (tier, End.ENDED, False)
    assert 0 < result.seconds < 20
    assert result.max_rss > 1 << 20
    assert (step / "made").read_text() == "x"


async def test_death_by_signal_reads_the_same_in_every_tier(step: Path, tier: Tier) -> None:
    result = await run(step, tier, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert result.exit_code == 128 + signal.SIGSEGV


async def test_standard_input_and_output_as_it_comes(step: Path, tier: Tier) -> None:
    seen: list[tuple[str, bytes]] = []
    data = b"line\n" * 100_000
    result = await run_command(
        spec(step, "import sys; print(len(sys.stdin.buffer.read()))", stdin=data),
        on_started=unrecorded,
        on_output=lambda name, data: seen.append((name, data)),
        tier=tier,
    )
    assert result.stdout == b"500000\n"
    assert b"".join(data for name, data in seen if name == "stdout") == result.stdout


async def test_nothing_of_our_environment_leaks(step: Path, tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "leak-me")
    result = await run(
        step, tier, "import os; print('\\n'.join(f'{k}={v}' for k, v in os.environ.items()))", env={"GIVEN": "yes"}
    )
    variables = dict(line.split("=", 1) for line in result.stdout.decode().splitlines())
    assert b"leak-me" not in result.stdout
    assert variables.pop("GIVEN") == "yes"
    assert variables["HOME"] == str(step.parent / ".build.private" / "home")
    assert variables["TMPDIR"] == str(step.parent / ".build.private" / "tmp")
    known = {"HOME", "TMPDIR", "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PWD", "REMIT_COMMAND"}
    assert set(variables) <= known | {"PYTHONDONTWRITEBYTECODE", "PYTHONNOUSERSITE"}


async def test_our_own_environment_is_not_readable_through_proc(step: Path, confined: Tier) -> None:
    result = await run(step, confined, f"print(open('/proc/{os.getpid()}/environ').read())")
    assert result.exit_code == 1
    assert b"PATH" not in result.stdout


async def test_no_open_file_of_ours_is_inherited(step: Path, tier: Tier) -> None:
    with (step.parent / "secret").open("w") as held:
        os.dup2(held.fileno(), held.fileno() + 100, inheritable=True)
        result = await run(step, tier, "import os; print(sorted(os.listdir('/proc/self/fd')))")
        os.close(held.fileno() + 100)
    assert result.stdout == b"['0', '1', '2', '3']\n"  # 3: the listing itself


async def test_writes_stay_inside(step: Path, confined: Tier) -> None:
    outside = step.parents[1] / "outside"
    outside.write_text("before")
    (step / "link").symlink_to(outside)
    result = await run(
        step,
        confined,
        f"""
        import os, tempfile
        for attempt in (
            lambda: open({str(outside)!r}, "w").write("after"),
            lambda: open("link", "w").write("after"),
            lambda: os.unlink({str(outside)!r}),
            lambda: os.truncate({str(outside)!r}, 0),
            lambda: os.rename("own", {str(outside)!r}),
            lambda: os.mkdir({str(step.parent / "other")!r}),
            lambda: open("/usr/lib/x", "w"),
        ):
            open("own", "w").close()
            try:
                attempt()
            except OSError:
                continue
            print("got through")
        os.mkdir("folder")
        os.rename("own", "folder/own")
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"x")
        print("end")
        """,
    )
    assert result.stdout == b"end\n", result
    assert outside.read_text() == "before"
    assert (step / "folder" / "own").exists()


async def test_keys_other_missions_and_the_database_are_unreadable(step: Path, confined: Tier) -> None:
    home = step.parents[3]
    secrets = [home / "remit.db", home / ".ssh" / "id_ed25519", home / "missions" / "m2" / "workspace" / "x"]
    for secret in secrets:
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_text("secret")
    result = await run(
        step,
        confined,
        f"""
        import os, pathlib
        for path in {[str(secret) for secret in secrets] + ["/etc/shadow", str(Path.home() / ".bashrc")]!r}:
            try:
                print(open(path).read())
            except OSError as error:
                print("refused")
        try:
            print(os.listdir({str(home)!r}) if {int(confined)} == 2 else "refused")
        except OSError:
            print("refused")
        """,
    )
    assert result.stdout == b"refused\n" * 6, result


async def test_no_network_means_no_network(step: Path, confined: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server, socket.socket(socket.AF_UNIX) as engine:
        server.bind(("127.0.0.1", 0))
        server.listen()
        monkeypatch.chdir(step)  # a whole path can be longer than a socket's name may be
        engine.bind("engine.sock")
        engine.listen()
        port = server.getsockname()[1]
        code = f"""
            import asyncio, socket
            for family, kind, where in (
                (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", {port})),
                (socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 80)),
                (socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 53)),
                (socket.AF_UNIX, socket.SOCK_STREAM, "\\0abstract"),
            ):
                try:
                    with socket.socket(family, kind) as client:
                        client.settimeout(2)
                        client.connect(where)
                except OSError:
                    print("refused")
            asyncio.run(asyncio.sleep(0))
            """
        result = await run(step, confined, code)
        assert result.stdout == b"refused\n" * 4, result
        assert result.reach in {Reach.NOTHING, Reach.OWN_LOOPBACK}


async def test_loopback_is_there_when_asked_for(step: Path, tier: Tier) -> None:
    code = """
        import socket
        server = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(server.getsockname())
        print("connected")
        """
    result = await run(step, tier, code, network=Network.LOOPBACK)
    assert result.stdout == b"connected\n", result
    assert result.reach is (Reach.OWN_LOOPBACK if tier is Tier.NAMESPACE else Reach.HOST)


async def test_reach_is_told_as_it_is(step: Path) -> None:
    assert (await run(step, Tier.PROCESS, "")).reach is Reach.HOST


async def test_wall_time_ends_the_whole_group(step: Path, tier: Tier) -> None:
    code = HEARTBEAT + "\n    import os\n    if os.fork() == 0: beat()\n    import time; time.sleep(600)\n"
    result = await timed(step, tier, code, "beat", grace_s=0.5)
    assert result.timed_out
    assert result.exit_code == 128 + signal.SIGTERM
    assert not alive(step / "beat")


async def test_sigterm_is_heard_first_and_ignoring_it_does_not_help(step: Path, tier: Tier) -> None:
    polite = """
        import signal, sys, time
        def end(*_):
            print("tidied", flush=True)
            sys.exit(3)
        signal.signal(signal.SIGTERM, end)
        open("polite", "w").close()
        time.sleep(600)
        """
    result = await timed(step, tier, polite, "polite")
    assert (result.stdout, result.exit_code, result.end) == (b"tidied\n", 3, End.TIMEOUT)
    deaf = """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open("deaf", "w").close()
        time.sleep(600)
        """
    result = await timed(step, tier, deaf, "deaf", grace_s=0.3)
    assert (result.exit_code, result.end) == (137, End.TIMEOUT)


async def test_a_daemon_that_forked_twice_and_cleared_its_environment_ends_too(step: Path, tier: Tier) -> None:
    result = await run(step, tier, DAEMON)
    assert result.exit_code == 0, result
    assert not alive(step / "beat")


async def test_a_fork_bomb_is_ended(step: Path, tier: Tier) -> None:
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
    result = await run(step, tier, bomb, limits=Limits(wall_s=10, processes=20))
    assert result.exit_code != 0
    assert result.end in {End.PROCESSES, End.TIMEOUT}
    assert (await run(step, tier, "print('fine')")).stdout == b"fine\n"


async def test_processor_time_memory_and_file_size_are_bounded(step: Path, tier: Tier) -> None:
    spin = await run(step, tier, "while True: pass", limits=Limits(cpu_s=1, wall_s=100))
    assert spin.exit_code in {128 + signal.SIGXCPU, 137}
    eat = await run(step, tier, "x = bytearray(2 << 30)", limits=Limits(memory_bytes=512 << 20))
    assert eat.exit_code == 1
    assert b"MemoryError" in eat.stderr
    grow = "f = open('big', 'wb')\nfor _ in range(1000): f.write(bytes(1 << 20))"
    bomb = await run(step, tier, grow, limits=Limits(file_bytes=8 << 20))
    assert bomb.exit_code != 0
    assert (step / "big").stat().st_size <= 8 << 20
    many = await run(step, tier, "f = [open('/dev/null') for _ in range(100)]", limits=Limits(open_files=50))
    assert b"Too many open files" in many.stderr


async def test_a_flood_of_output_is_cut_and_says_so(step: Path, tier: Tier) -> None:
    code = "import sys\nfor _ in range(300): sys.stdout.write('x' * 65536)\nprint('end', file=sys.stderr)"
    result = await run(step, tier, code, limits=Limits(output_bytes=10_000))
    assert result.truncated
    assert len(result.stdout) == 10_000
    assert (result.stderr, result.exit_code) == (b"end\n", 0)


async def test_cancelling_frees_everything(step: Path, tier: Tier) -> None:
    code = DAEMON + "\n    import time; time.sleep(60)\n"
    task = asyncio.ensure_future(run(step, tier, code, grace_s=0.2))
    while not (step / "beat").exists():  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(step / "beat")


async def test_cancelling_at_any_moment_is_heard_and_leaves_nothing(step: Path) -> None:
    for delay in (0.0, 0.001, 0.005, 0.01, 0.02, 0.04, 0.08):
        task = asyncio.ensure_future(run(step, Tier.PROCESS, HEARTBEAT + "\n    beat()\n", grace_s=0.2))
        await asyncio.sleep(delay)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (step / "beat").write_bytes(b"")
    assert not alive(step / "beat")
    for pid in descendants(os.getpid()):
        assert b"launcher.py" not in Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_an_error_in_recording_means_that_the_command_never_begins(step: Path, tier: Tier) -> None:
    async def record(_group: int, _start: str) -> None:
        await asyncio.sleep(0.05)
        message = "the disk is full"
        raise OSError(message)

    with pytest.raises(OSError, match="the disk is full"):
        await run_command(spec(step, "open('made', 'w')"), on_started=record, tier=tier)
    assert not (step / "made").exists()


async def test_group_and_start_are_recorded_before_the_first_instruction(step: Path, tier: Tier) -> None:
    recorded: list[tuple[int, str]] = []

    async def record(group: int, start: str) -> None:
        await asyncio.sleep(0.2)
        assert start_time(group) == start
        assert os.getpgid(group) == group
        assert not (step / "made").exists()
        recorded.append((group, start))

    await run_command(spec(step, "open('made', 'w')"), on_started=record, tier=tier)
    assert (step / "made").exists()
    assert len(recorded) == 1


WITNESS = """
import asyncio, pathlib, sys
from remit.adapters.sandbox.run import CommandSpec, run_command
from remit.adapters.sandbox import tiers
step, tier = pathlib.Path(sys.argv[1]), tiers.Tier(int(sys.argv[2]))
python = pathlib.Path(sys.executable)
code = (step / "code").read_text()
spec = CommandSpec((str(python), "-I", "-c", code), step, step.parent / "p", read_only=tiers.interpreter_paths(python))
def started(group, start):
    print(group, start, flush=True)
asyncio.run(run_command(spec, on_started=started, tier=tier))
"""


def outlived(step: Path, tier: Tier, *, launcher_too: bool) -> tuple[int, str]:
    """Kill -9 a process that runs a daemonising command (and its launcher); the recorded group and start time."""
    (step / "code").write_text(textwrap.dedent(DAEMON.replace("os.environ.clear()", "") + "\n    beat()\n"))
    with subprocess.Popen(
        [sys.executable, "-c", WITNESS, str(step), str(int(tier))],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(SOURCES)},
    ) as parent:
        assert parent.stdout
        group, start = parent.stdout.readline().decode().split()
        while not (step / "beat").exists():
            time.sleep(0.02)
        if launcher_too:
            launcher = Path(f"/proc/{group}/stat").read_text().rpartition(")")[2].split()[1]
            os.kill(int(launcher), signal.SIGSTOP)
            parent.kill()
            os.kill(int(launcher), signal.SIGKILL)
        parent.kill()
    return int(group), start


def test_kill_nine_of_remit_leaves_no_process(step: Path, tier: Tier) -> None:
    outlived(step, tier, launcher_too=False)
    deadline = time.monotonic() + 60
    while alive(step / "beat") and time.monotonic() < deadline:
        pass
    assert not alive(step / "beat")


def test_what_survives_remit_and_its_launcher_is_found_on_resume(step: Path, tier: Tier) -> None:
    group, start = outlived(step, tier, launcher_too=True)
    assert kill_leftover(group, start + "0") is False  # another process has that id now: not ours to touch
    assert kill_leftover(group, start) or tier is Tier.NAMESPACE  # which ended with its parent, a moment later
    assert not alive(step / "beat")
    assert kill_leftover(group, start) is False


def test_kill_leftover_never_touches_a_stranger() -> None:
    with subprocess.Popen(["/bin/sleep", "30"], start_new_session=True) as stranger:
        boot = start_time(stranger.pid).partition(":")[0]
        assert kill_leftover(stranger.pid, f"{boot}:1") is False
        assert kill_leftover(stranger.pid, "") is False
        assert stranger.poll() is None
        assert start_date(stranger.pid)
        stranger.kill()


def test_it_works_from_a_loop_in_any_thread(step: Path, tier: Tier) -> None:
    results: list[CommandResult] = []

    async def both() -> None:
        results.extend(await asyncio.gather(run(step, tier, "print(1)"), run(step, tier, "print(2)")))

    async def main() -> None:
        await asyncio.to_thread(asyncio.run, both())

    asyncio.run(main())
    assert [result.stdout for result in results] == [b"1\n", b"2\n"]


async def test_a_missing_program_is_said_to_be_missing(step: Path, tier: Tier) -> None:
    bad = CommandSpec(("no-such-program", "x"), step, step.parent / "p")
    with pytest.raises(Failed, match="no program 'no-such-program'") as raised:
        await run_command(bad, on_started=unrecorded, tier=tier)
    assert raised.value.code == "sandbox.start"


@pytest.mark.parametrize(
    "bad",
    [{"argv": ()}, {"argv": ("a\0b",)}, {"env": {"A=B": "x"}}, {"env": {"": "x"}}, {"cwd": Path("relative")}],
    ids=str,
)
async def test_a_command_that_can_not_be_run_is_refused_before_anything_starts(
    step: Path, bad: dict[str, object]
) -> None:
    options: dict[str, object] = {"argv": ("true",), "cwd": step, "private": step.parent / "p", **bad}
    with pytest.raises(InvalidInput):
        await run_command(CommandSpec(**options), on_started=unrecorded)  # pyright: ignore[reportArgumentType]
    assert not (step.parent / "p").exists()


async def test_a_demanded_tier_that_is_not_there_refuses(step: Path) -> None:
    weak = Probe(frozenset({Tier.PROCESS}), {Tier.LANDLOCK: "the kernel has no Landlock", Tier.NAMESPACE: "no bwrap"})
    demanding = spec(step, "open('made', 'w')", minimum_tier=Tier.LANDLOCK)
    with pytest.raises(Denied, match="no Landlock") as raised:
        await run_command(demanding, on_started=unrecorded, probe=weak)
    assert raised.value.code == "sandbox.tier"
    with pytest.raises(Denied, match="weaker"):
        await run_command(demanding, on_started=unrecorded, tier=Tier.PROCESS)
    with pytest.raises(Denied, match="refused on"):
        await run_command(demanding, on_started=unrecorded, probe=Probe(frozenset(), {}))
    assert not (step / "made").exists()


def test_an_interpreter_in_the_home_folder_itself_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    python = tmp_path / "home" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    with pytest.raises(InvalidInput, match="home folder"):
        tiers.interpreter_paths(python)


async def test_the_strongest_tier_is_used_unasked(step: Path) -> None:
    result = await run_command(spec(step, ""), on_started=unrecorded)
    assert result.tier is max(tiers.probe().tiers)


def action(step: Path, effect: Command) -> Action:
    agent = Principal(ActorKind.AGENT, "coder")
    return Action("a1", effect, agent, agent, "w1", mission="m1", step="build", directory=str(step))


async def test_the_adapter_performs_a_command_and_frees_its_private_folder(step: Path) -> None:
    seen: list[str] = []
    adapter = CommandAdapter(
        python=PYTHON,
        record=lambda action, _group, start: seen.append(f"{action.id} {bool(start)}"),
        resolve=lambda _action, reference: "s3cret" if reference == "secret://DB" else "",
    )
    code = "import os, pathlib; pathlib.Path(os.environ['TMPDIR'], 'x').mkdir(0o500); print(len(os.environ['DB']))"
    effect = Command(("python", "-c", code), env={"DB": "secret://DB"})
    result = await adapter.perform(action(step, effect))
    assert result.ok
    assert result.value["stdout"] == "6\n"
    assert result.value["tier"] == int(max(tiers.probe().tiers))
    assert seen == ["a1 True"]
    assert [entry.name for entry in step.parent.iterdir()] == ["build"]
    failed = await adapter.perform(action(step, Command(("python", "-c", "raise SystemExit(2)"))))
    assert (failed.ok, failed.value["exit_code"]) == (False, 2)
    expected = Command(("python", "-c", "raise SystemExit(2)"), expected_exit=2)
    assert (await adapter.perform(action(step, expected))).ok


async def test_the_adapter_refuses_a_reference_nobody_can_resolve(step: Path) -> None:
    adapter = CommandAdapter(python=PYTHON, record=unrecorded_action)
    with pytest.raises(InvalidInput, match="secret://DB"):
        await adapter.perform(action(step, Command(("true",), env={"DB": "secret://DB"})))


async def test_the_launcher_stays_cheap(step: Path, tier: Tier) -> None:
    times: list[float] = []
    for _ in range(5):
        pace = Pace()
        await run_command(CommandSpec(("true",), step, step.parent / "p"), on_started=unrecorded, tier=tier)
        times.append(pace.spent())
    assert min(times) < 0.25, times  # 0.03 on a quiet machine; the bound only catches a heavy import


async def test_a_stopped_command_that_ignores_sigterm_is_gone_within_a_second(step: Path, tier: Tier) -> None:
    code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen('up', 'w').close()\ntime.sleep(60)"
    task = asyncio.ensure_future(run(step, tier, code))
    while not (step / "up").exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
    pace = Pace()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pace.spent() < 0.75  # the kill switch is read every quarter of a second
