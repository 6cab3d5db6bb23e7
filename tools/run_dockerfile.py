"""Carries out the Dockerfile in an empty folder, without Docker: its steps, its page, its end. Usage: python -m tools.run_dockerfile

For machines that have no Docker. There is no image: this machine's own Python stands in for the base, in a fresh virtual environment, and
/home/user lies in the empty folder. Steps that need root (apt-get, another user) are carried out only as root, apt-get on Debian alone.
Linux only. Exit code 1 where a step fails, the page does not come up, or it does not end within END_SECONDS.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from tools.dockerfile import Step, read_steps

ROOT = Path(__file__).resolve().parent.parent
IMAGE_HOME = "/home/user"
START_SECONDS, END_SECONDS = 120, 30
PASSED_ON = re.compile(r"PIP_\w+|LANG|\w+_proxy|SSL_CERT_\w+", re.IGNORECASE)
"""What a build would pass on too: how packages are reached from here. Nothing else of this machine's environment is."""


class StepFailed(Exception):
    """A step that did not do what it should; the text says which."""


@dataclass
class Container:
    """The folder that stands for the image, and what its steps have set so far. `user` is None for root, or for whoever runs this."""

    place: Path
    port: int
    environ: dict[str, str]
    folder: Path
    user: int | None = None
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def here(self, text: str) -> str:
        """The image's home and port are other ones here."""
        return text.replace(IMAGE_HOME, f"{self.place}{IMAGE_HOME}").replace("7860", str(self.port))

    def as_user(self, command: list[str]) -> list[str]:
        if self.user is None:
            return command
        return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--", *command]

    def healthy(self) -> bool:
        command = self.as_user(self.health)
        return subprocess.run(command, cwd=self.folder, env=self.environ, capture_output=True, check=False).returncode == 0

    def run(self, command: list[str]) -> None:
        """Raises StepFailed."""
        done = subprocess.run(self.as_user(command), cwd=self.folder, env=self.environ, check=False)
        if done.returncode:
            raise StepFailed(f"{shlex.join(command)[:100]} ended with code {done.returncode}")


def is_root() -> bool:
    return os.geteuid() == 0


def base(place: Path) -> Container:
    """FROM: a fresh virtual environment of this machine's Python."""
    venv.create(place / "venv", with_pip=True)
    (place / IMAGE_HOME.lstrip("/")).mkdir(parents=True)
    (place / "tmp").mkdir()
    (place / "tmp").chmod(0o1777)
    place.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    passed_on = {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)}
    paths = {"PATH": f"{place}/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(place / "tmp")}
    return Container(place, port, {**passed_on, **paths, "PIP_QUIET": "1"}, place)


def carry_out(step: Step, container: Container) -> None:
    """One instruction. Raises StepFailed."""
    options, rest = step.arguments()
    match step.word:
        case "FROM":
            print(f"   this machine's Python {sys.version.split()[0]} stands in for {step.text}")
        case "ENV":
            for name, value in (pair.split("=", 1) for pair in shlex.split(step.text)):
                container.environ[name] = Template(container.here(value)).substitute(container.environ)
        case "WORKDIR":
            container.folder = Path(container.here(step.text))
            container.folder.mkdir(parents=True, exist_ok=True)
        case "COPY":
            copy(rest.split(), options.get("chown"), container)
        case "USER":
            container.user = int(step.text) if is_root() else None
        case "RUN":
            run_step(step.text, container)
        case "HEALTHCHECK":
            container.health = json.loads(container.here(rest.removeprefix("CMD")))
        case "ENTRYPOINT":
            container.entrypoint = json.loads(step.text)
        case "CMD":
            container.command = json.loads(step.text)
        case "EXPOSE":
            print(f"   port {container.port} stands in for {step.text}")
        case _:
            raise StepFailed(f"{step.word} is not known to tools/run_dockerfile.py; add it there")


def copy(paths: list[str], owner: str | None, container: Container) -> None:
    """COPY: out of the repository, owned by `owner` ("1000:1000")."""
    *sources, target = paths
    for name in sources:
        goal = container.folder / target if len(sources) == 1 and (ROOT / name).is_dir() else container.folder / target / name
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, goal, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(ROOT / name, goal)
        for path in [goal, *goal.rglob("*")] if owner and is_root() else []:
            os.chown(path, *map(int, owner.split(":")))


def run_step(text: str, container: Container) -> None:
    """RUN: as it stands, but for what would change this machine."""
    if text.startswith("apt-get"):
        if not is_root() or not Path("/etc/debian_version").exists():
            print("   left out: apt-get needs root and Debian")
            return
        for part in (part.strip() for part in text.split("&&")):
            if part.startswith("apt-get"):
                container.run(shlex.split(part))
            else:
                print(f"   left out, as it is this machine's own: {part}")
    elif text.startswith("useradd"):
        add_user(shlex.split(text), container)
    else:
        container.run(["/bin/sh", "-c", container.here(text)])


def add_user(command: list[str], container: Container) -> None:
    """The user that the page runs as, with its home in the empty folder."""
    if not is_root():
        print("   left out: another user needs root; the page runs as you")
        return
    number, home = int(command[command.index("--uid") + 1]), Path(container.here(IMAGE_HOME))
    if number not in [user.pw_uid for user in pwd.getpwall()]:
        kept = [word for word in command if word != "--create-home"]
        container.run([*kept, "--no-create-home", "--home-dir", str(home)])
    os.chown(home, number, number)


def start_and_end(container: Container, log: Path) -> None:
    """The page as its own user: up when the health check passes, gone soon after it is asked to end. Raises StepFailed."""
    entrypoint = container.entrypoint if shutil.which(container.entrypoint[0], path=container.environ["PATH"]) else []
    if not entrypoint:
        print(f"   {container.entrypoint[0]} is not installed here: the page runs without it")
    began = time.monotonic()
    with log.open("wb") as output:
        command = container.as_user([*entrypoint, *container.command])
        process = subprocess.Popen(command, cwd=container.folder, env=container.environ, stdout=output, stderr=output)
    try:
        while not container.healthy():
            if process.poll() is not None:
                raise StepFailed(f"the page ended with code {process.returncode} before it answered")
            if time.monotonic() - began > START_SECONDS:
                raise StepFailed(f"the health check did not pass within {START_SECONDS} s")
            time.sleep(0.5)
        page = urllib.request.urlopen(f"http://127.0.0.1:{container.port}/", timeout=10).read().decode()  # noqa: S310 - our own page
        titles = re.findall(r'property="og:title" content="(.*?)"', page)  # gradio's own, then ours
        print(f"   the health check passed after {time.monotonic() - began:.1f} s; title: {titles[-1]}")
        print(f"   it runs as user id {Path(f'/proc/{process.pid}').stat().st_uid}")
        asked = time.monotonic()
        process.terminate()
        code = process.wait(timeout=END_SECONDS)
        print(f"   it ended {time.monotonic() - asked:.1f} s after it was asked to, with code {code}")
        if code:
            raise StepFailed(f"the page ended with code {code}")
    except subprocess.TimeoutExpired as error:
        raise StepFailed(f"the page did not end within {END_SECONDS} s") from error
    finally:
        process.kill()
        process.wait()


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="image-") as folder:
        began, place = time.monotonic(), Path(folder)
        users_before = {user.pw_name for user in pwd.getpwall()}
        container, log = base(place), place / "page.log"
        try:
            for step in read_steps((ROOT / "Dockerfile").read_text(encoding="utf-8")):
                print(f"{step.word} {step.text}"[:150], flush=True)
                carry_out(step, container)
            print("the page", flush=True)
            start_and_end(container, log)
        except StepFailed as error:
            print(f"Failed: {error}.\n{log.read_text() if log.exists() else ''}", file=sys.stderr)
            return 1
        finally:
            for name in {user.pw_name for user in pwd.getpwall()} - users_before:
                subprocess.run(["userdel", name], check=True)  # noqa: S607 - from the administrator's PATH, as useradd was
        print(f"All steps done in {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
