"""The virtual environment: made once, completed after an accident, and what is said when it can't be."""

import subprocess
from types import SimpleNamespace

import pytest

from helpline.embedded import install as room


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "ROOT", tmp_path)
    monkeypatch.setattr(room, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(room, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    (tmp_path / "more.txt").write_text("# nothing more\n")
    return tmp_path


@pytest.fixture
def ran(monkeypatch):
    """What would be run; nothing is."""
    commands = []
    monkeypatch.setattr(room, "_run", lambda command, **_: commands.append(command) or True)
    return commands


def test_it_makes_an_environment_that_works(project):
    room.install(["requirements.txt"])
    assert subprocess.run([room.PYTHON, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def test_requirements_are_installed_with_their_hashes_and_nothing_else(project, ran):
    room.install(["requirements.txt", "more.txt"])
    assert ran[-1][1:6] == ["-m", "pip", "install", "-q", "--no-deps"]
    assert "--require-hashes" in ran[-1]
    assert ran[-1][-4:] == ["-r", str(project / "requirements.txt"), "-r", str(project / "more.txt")]


def test_what_is_installed_is_not_installed_again(project, ran):
    room.install(["requirements.txt", "more.txt"])
    ran.clear()
    room.install(["requirements.txt"])
    room.install(["requirements.txt", "more.txt"])
    assert ran == []


def test_a_changed_file_is_installed(project, ran):
    room.install(["requirements.txt"])
    ran.clear()
    (project / "requirements.txt").write_text("# something\n")
    room.install(["requirements.txt"])
    assert ran


def test_a_failed_installation_is_tried_again(project, monkeypatch):
    monkeypatch.setattr(room, "_run", lambda command, **_: "install" not in command)
    for _attempt in range(2):
        with pytest.raises(room.InstallError, match="Is there a network"):
            room.install(["requirements.txt"])


def test_a_system_without_venv_is_told_which_package_brings_it(project, monkeypatch):
    monkeypatch.setattr(room, "_run", lambda *_, **__: False)
    with pytest.raises(room.InstallError, match=r"sudo apt-get install python3\.\d+-venv"):
        room.install(["requirements.txt"])


def test_a_full_disk_is_said(project, monkeypatch):
    monkeypatch.setattr(room, "_run", lambda *_, **__: False)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(room.InstallError, match="is full"):
        room.install(["requirements.txt"])


def test_an_old_python_is_said(project, monkeypatch):
    monkeypatch.setattr(room.sys, "version_info", (3, 9))
    with pytest.raises(room.InstallError, match=r"Python 3\.11 or newer"):
        room.install(["requirements.txt"])
