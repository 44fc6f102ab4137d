"""A pack whose steps plant what git would run or hide: hooks, configurations, filters, ignored files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from remit.kernel.canonical import Json
from remit.kernel.effects import Command, WriteFiles
from remit.kernel.errors import RemitError
from remit.kernel.mission import FileExists, ResultHas, StepSpec
from remit.missions.pack import Result, StepContext
from remit.sdk import Mission

mission = Mission("hostile:PACK", version="1")

#: Plants the same in every git folder that it can reach or make, its own repository's included.
PLANT = r"""
import os, pathlib, sys
mark = sys.argv[1]
script = f"#!/bin/sh\necho \"$0\" >> {mark}\n"
config = f"[core]\n\thooksPath = .\n\tfsmonitor = \"echo fsmonitor >> {mark}\"\n[filter \"evil\"]\n" \
    f"\tclean = \"echo clean >> {mark}; cat\"\n\tsmudge = \"echo smudge >> {mark}; cat\"\n\trequired = true\n" \
    f"[diff]\n\texternal = \"echo diff >> {mark}\"\n[alias]\n\tst = \"!echo alias >> {mark}\"\n"
hooks = ("post-commit", "pre-commit", "post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc",
         "post-rewrite", "update", "post-update")
planted = []
folders = [".git", "sub/.git", ".GIT", "../../repo.git", "../../workspace/.git", "../../../repo.git"]
for folder in map(pathlib.Path, folders):
    for name in hooks:
        try:
            path = folder / "hooks" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(script)
            path.chmod(0o755)
            planted.append(str(path))
        except OSError:
            pass
    for name in ("config", "config.worktree", "info/attributes"):
        try:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("* filter=evil diff=evil\n" if name.endswith("attributes") else config)
            planted.append(str(path))
        except OSError:
            pass
for home in {os.environ.get("HOME", "."), "."}:
    for name in (".gitconfig", ".config/git/config"):
        try:
            path = pathlib.Path(home) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(config)
        except OSError:
            pass
print(len(planted))
"""


@mission.step(post=[FileExists("first.txt")])
async def first(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """An honest step."""
    del params
    await ctx.do(WriteFiles({"first.txt": b"first\n"}))
    return {}


@mission.step(post=[FileExists("kept.txt")])
async def ignored(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Files that the tree's own rules tell git to ignore, and to filter."""
    del params
    files = {
        ".gitignore": b"*.hidden\nbuild/\n",
        ".gitattributes": b"* filter=evil diff=evil text eol=crlf ident export-subst\n",
        "kept.txt": b"kept $Id$\r\nas it is\n",
        "one.hidden": b"hidden\n",
        "build/two.bin": bytes(range(256)),
    }
    await ctx.do(WriteFiles(files))
    return {}


@mission.step(post=[ResultHas("planted", value=True), FileExists("last.txt")])
async def plant(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Hooks and configurations, by a command and by files."""
    for name in (".git/hooks/post-commit", "a/.git/config", ".git/config"):
        try:
            await ctx.do(WriteFiles({name: f"#!/bin/sh\necho file >> {params['mark']}\n".encode()}))
        except RemitError as error:
            ctx.log(f"{name}: {error.message}")
    outcome = await ctx.do(Command(("python", "-c", PLANT, str(params["mark"]))))
    ctx.log(f"planted {outcome.text}")
    tidy = "import shutil, sys; [shutil.rmtree(name, ignore_errors=True) for name in sys.argv[1:]]"
    if params["tidy"]:
        await ctx.do(Command(("python", "-c", tidy, ".git", "sub", ".GIT", "a")))
    await ctx.do(WriteFiles({"last.txt": b"last\n"}))
    return {"planted": outcome.ok}


@mission.planner
def plan(data: bytes, name: str) -> Iterable[StepSpec]:
    """The three steps, one after the other."""
    del name
    given = json.loads(data)
    yield mission.use(first)
    yield mission.use(ignored, needs=["first"])
    yield mission.use(plant, needs=["ignored"], params={"mark": given["mark"], "tidy": given["tidy"]})


PACK = mission.pack()
