"""Each system's way, and the alternative where it has none. The others' ways are run on this one, by the name in `sys.platform`."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from qlora_demo import systems

ROOT = Path(__file__).resolve().parent.parent
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="what Linux alone does")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="what Windows cannot do")
FAMILY = (
    "import subprocess, sys, time\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print('up', flush=True); time.sleep(60)\n"
)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")


def family(folder: Path) -> psutil.Process:
    """A detached process with one child."""
    log = folder / "log"
    with log.open("wb") as output:
        parent = psutil.Process(systems.start_detached([sys.executable, "-c", FAMILY], folder, os.environ, output).pid)
    while not log.read_bytes():
        time.sleep(0.02)
    return parent


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@POSIX
def test_a_detached_process_has_its_own_session_and_gives_way(tmp_path: Path) -> None:
    parent = family(tmp_path)
    assert os.getsid(parent.pid) == parent.pid != os.getsid(0)
    assert parent.nice() == systems.NICE
    systems.kill_tree(parent.pid)


@pytest.mark.parametrize("name", [sys.platform, "win32"])
def test_a_process_ends_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    parent = family(tmp_path)
    members = [parent, *parent.children()]
    assert len(members) == 2
    monkeypatch.setattr(sys, "platform", name)
    systems.kill_tree(parent.pid)
    assert psutil.wait_procs(members, timeout=5)[1] == [] or all(gone(member) for member in members)


def test_windows_detaches_by_a_group_and_a_lower_priority(windows: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}
    monkeypatch.setattr(systems.subprocess, "Popen", lambda command, **options: asked.update(options))
    with (tmp_path / "log").open("wb") as output:
        systems.start_detached(["x"], tmp_path, {"A": "b"}, output)
    assert (asked["creationflags"], asked["env"], "start_new_session" in asked) == (0x4200, {"A": "b"}, False)


@LINUX
def test_only_linux_needs_to_know_its_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.fullmatch(r"[0-9a-f-]{36}", systems.boot_id())
    monkeypatch.setattr(sys, "platform", "darwin")
    assert systems.boot_id() == ""


@pytest.mark.parametrize(
    ("name", "place"), [("linux", ".local/share"), ("darwin", "Library/Application Support"), ("win32", "AppData/Local")]
)
def test_where_applications_keep_their_data(monkeypatch: pytest.MonkeyPatch, name: str, place: str) -> None:
    monkeypatch.setattr(sys, "platform", name)
    assert systems.user_data_folder() == Path.home() / place


@pytest.mark.parametrize("name", [sys.platform, "win32"])
def test_a_file_is_opened_and_a_link_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "file").write_bytes(b"a\r\nb")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    monkeypatch.setattr(sys, "platform", name)
    with os.fdopen(systems.open_file(tmp_path / "file"), "rb") as file:
        assert file.read() == b"a\r\nb"
    with pytest.raises(OSError) as error:  # noqa: PT011 - its number is looked at
        systems.open_file(tmp_path / "link")
    assert error.value.errno == errno.ELOOP


def refuse(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Renaming is refused so often, as where somebody reads the file."""
    rename, left = Path.replace, [times]

    def refused(self: Path, target: Path) -> Path:
        if left[0]:
            left[0] -= 1
            raise PermissionError(errno.EACCES, "in use")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", refused)


def test_windows_renames_again_when_the_reader_is_done(windows: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    refuse(monkeypatch, 2)
    systems.replace(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new"


def test_windows_gives_up_in_the_end(windows: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems, "RENAME_SECONDS", 0.1)
    refuse(monkeypatch, 1000)
    with pytest.raises(PermissionError):
        systems.replace(tmp_path / "new", tmp_path / "old")


def test_elsewhere_a_refusal_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / "new").write_text("new")
    refuse(monkeypatch, 1)
    with pytest.raises(PermissionError):
        systems.replace(tmp_path / "new", tmp_path / "old")


def test_folders_are_synced_but_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    systems.sync_folder(tmp_path)
    assert len(synced) == (0 if sys.platform == "win32" else 1)
    monkeypatch.setattr(sys, "platform", "win32")
    synced.clear()
    systems.sync_folder(tmp_path)
    assert synced == []


def limited(name: str) -> subprocess.CompletedProcess:
    """A process that may hold half a gigabyte more than it does, and takes a whole one."""
    code = (
        "import sys, time, psutil; from qlora_demo.systems import limit_memory\n"
        f"sys.platform = {name!r}\n"
        "about = psutil.Process().memory_info()\n"
        "limit_memory(500_000_000 + (about.vms if sys.platform == 'linux' else about.rss))\n"
        "try:\n    taken = b'x' * 1_000_000_000\n    time.sleep(5)\nexcept MemoryError:\n    sys.exit('MemoryError')\n"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@LINUX
def test_linux_keeps_the_memory_limit() -> None:
    assert limited("linux").stderr == "MemoryError\n"


@pytest.mark.parametrize("name", ["darwin", "win32"])
def test_elsewhere_a_look_at_the_memory_ends_the_process(name: str) -> None:
    assert limited(name).returncode == systems.TOO_MUCH_MEMORY


@pytest.mark.parametrize(("name", "free", "left"), [("max", "9000", 5000), ("3000", "1000", 2000), ("9000", "1000", 5000)])
def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, free: str, left: int) -> None:
    (tmp_path / "limit").write_text(f"{name}\n")
    (tmp_path / "used").write_text(f"{free}\n")
    monkeypatch.setattr(systems, "CGROUP_LIMIT", tmp_path / "limit")
    monkeypatch.setattr(systems, "CGROUP_USED", tmp_path / "used")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5000))
    assert systems.free_memory() == left


@pytest.mark.parametrize(
    ("system", "here", "counted"),
    [("linux", ("cgroup", "machine"), 2), ("linux", ("machine",), 5), ("linux", (), None), ("darwin", ("machine",), None)],
)
def test_processes_ended_for_want_of_memory_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, here: tuple[str, ...], counted: int | None
) -> None:
    for name, text in (("cgroup", "low 0\noom 3\noom_kill 2\n"), ("machine", "nr_free_pages 7\noom_kill 5\n")):
        monkeypatch.setattr(systems, f"{'CGROUP' if name == 'cgroup' else 'MACHINE'}_EVENTS", tmp_path / name)
        if name in here:
            (tmp_path / name).write_text(text)
    monkeypatch.setattr(sys, "platform", system)
    assert systems.memory_kills() == counted


@POSIX
def test_a_detached_process_can_be_told_something_until_this_one_ends(tmp_path: Path) -> None:
    code = "import sys; print(sys.stdin.readline().strip(), repr(sys.stdin.readline()), flush=True)"
    with (tmp_path / "log").open("wb") as output:
        process = systems.start_detached([sys.executable, "-c", code], tmp_path, os.environ, output, told=True)
    process.stdin.write(b"hello\n")
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    assert (tmp_path / "log").read_text() == "hello ''\n"


def test_every_system_says_what_it_computes_with(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (sys.platform, "darwin", "win32"):
        monkeypatch.setattr(sys, "platform", name)
        assert systems.usable_cores() >= 1
        assert systems.processor_name()
    assert systems.processor_flags() == set()


def test_the_highest_point_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    resident = psutil.Process().memory_info().rss
    assert resident * 0.9 < systems.peak_memory() < 100 * resident
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=7)))
    assert systems.peak_memory() == 7


ELSEWHERE = {
    "a call that one system alone has": r"\bos\.(kill|killpg|fork\w*|nice|sched_\w+|getpgid|[gs]etsid|gete?[ug]id|chown|mkfifo|statvfs|O_[A-Z]+)\b",
    "a signal that one system alone has": r"\bsignal\.(SIG(?!INT\b|TERM\b)\w+|alarm|setitimer|pthread_\w+)",
    "a module that one system alone has": r"^\s*(import|from) (fcntl|resource|pwd|grp|termios|pty|tty|msvcrt|winreg|_winapi)\b",
    "an option that one system alone has": r"start_new_session|preexec_fn|creationflags|cpu_affinity|\.nice\(|num_fds",
    "a file that one system alone has": r"[\"']/(proc|sys|dev|etc)/",
    "a question which system this is": r"sys\.platform|os\.name\b|platform\.system|hasattr\(os",
}


def test_no_other_module_knows_which_system_it_runs_on() -> None:
    found = []
    for path in {ROOT / "app.py", *(ROOT / "qlora_demo").rglob("*.py")} - {Path(systems.__file__)}:
        text = path.read_text(encoding="utf-8")
        for what, pattern in ELSEWHERE.items():
            found += [f"{path.relative_to(ROOT)}: {what}: {hit[0]}" for hit in re.finditer(pattern, text, re.MULTILINE)]
    assert found == []


def test_a_process_gives_way(tmp_path: Path) -> None:
    program = "import psutil; from qlora_demo.systems import give_way; b = psutil.Process().nice(); give_way(); print(b, psutil.Process().nice())"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent)
    before, after = map(int, said.stdout.split())
    assert after == min(19, before + systems.NICE)
