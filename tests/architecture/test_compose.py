"""docker-compose.yml, Dockerfile and .env.example agree with the settings and with what `make run` starts.

No engine runs here, so what can be known without one is checked by program.
"""

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from helpline.embedded.postgres import CONFIGURATION, INITDB
from helpline.embedded.supervisor import PREPARE, commands
from helpline.settings import ROOT, Settings, example, load_settings

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "helpline"}
CADDYFILE = (ROOT / "docs/deploy/Caddyfile").read_text()
NO_ENGINE_PLACES = {"LOG_LEVEL": "INFO", "HELPLINE_DOMAIN": "helpline.example.org"}


def filled(text):
    """What compose makes of ${NAME:-default} with nothing but the domain set."""
    return re.sub(
        r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda found: NO_ENGINE_PLACES.get(found[1], found[2] or ""), str(text)
    )


def environment(name):
    return {key: filled(value) for key, value in SERVICES[name]["environment"].items()}


def settings_of(name, folder):
    """The settings a container of this service would have, its secrets standing in `folder`."""
    given = {}
    for key, value in environment(name).items():
        given[key] = value
        if key.endswith("_URL_FILE") and value:
            secret = folder / value.removeprefix("/run/secrets/")
            assert secret.name in SERVICES[name]["secrets"]
            secret.write_text(f"the address in {secret.name}")
            given[key] = str(secret)
    return load_settings(given)


def test_the_example_is_in_step_with_the_settings():
    assert (ROOT / ".env.example").read_text() == example(), (
        "python -c \"from helpline.settings import example; print(example(), end='')\" > .env.example"
    )


def test_our_services_are_the_ones_make_run_starts_and_the_prepare_job():
    assert set(OURS) == {*commands(Settings(), Path("/tmp")), "prepare"}


@pytest.mark.parametrize("name", sorted(set(OURS) - {"prepare"}))
def test_a_service_runs_the_very_command_make_run_starts(name, tmp_path):
    settings = settings_of(name, tmp_path)
    assert [filled(part) for part in OURS[name]["command"]] == commands(settings, Path("/tmp"))[name]


def test_the_job_prepares_as_make_run_does():
    assert OURS["prepare"]["command"] == PREPARE


def test_the_image_starts_the_web_process_unless_told_otherwise():
    command = re.search(r"^CMD (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[1]
    assert json.loads(command) == OURS["web"]["command"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_is_a_setting(name):
    known = {option.metadata["env"] for option in fields(Settings) if option.metadata}
    known |= {f"{one}_FILE" for one in known if one.startswith(("DATABASE_", "REDIS_"))}
    assert set(environment(name)) <= known


@pytest.mark.parametrize("name", sorted(set(OURS) - {"prepare"}))
def test_a_service_has_the_addresses_it_needs_and_not_the_owners(name, tmp_path):
    settings = settings_of(name, tmp_path)
    assert settings.production
    assert settings.secure_cookies
    assert settings.public_url == "https://helpline.example.org"
    assert settings.trusted_proxies == 1
    assert not settings.embedded
    assert all((settings.database_url, settings.redis_url))
    others = bool(settings.database_worker_url), bool(settings.database_relay_url)
    assert others == ((False, False) if name == "web" else (True, True)), "whoever breaks into web finds web's login"
    assert bool(settings.database_search_url) == (name == "search"), "names are one part's to read"
    assert not settings.database_owner_url
    assert not settings.database_admin_url
    assert not {"database_owner_url", "database_admin_url", "postgres_password"} & set(OURS[name]["secrets"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_each_file_a_service_reads_is_a_secret_it_is_given(name):
    text = json.dumps(SERVICES[name])
    if name == "proxy":
        text += CADDYFILE
    read = set(re.findall(r"/run/secrets/(\w+)", text))
    if "smtp_password" not in SERVICES[name].get("secrets", []):  # mail is the worker's alone
        read.discard("smtp_password")
    assert read == set(SERVICES[name].get("secrets", []))


def test_secrets_are_files_and_all_are_made():
    recipe = (ROOT / "Makefile").read_text().split("\nsecrets:")[1].split("\n.PHONY")[0]
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert re.search(rf"\b{name}\b", recipe), f"make secrets makes no {name}"
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_key_ring_is_where_it_can_be_replaced_and_only_where_it_is_opened():
    """Both files are written beside and moved into place: that needs their folders, and neither may be a secret."""
    mounts = {"./secrets/keys:/keys", "./machine:/machine"}
    for name, service in OURS.items():
        assert environment(name)["HELPLINE_KEYS_FILE"] == "/keys/keys"
        assert environment(name)["HELPLINE_MACHINE_KEY_FILE"] == "/machine/key"
        given = set(service.get("volumes", [])) - {"search:/run/search"}  # the socket of who finds names
        assert given == (mounts if name in {"prepare", "web", "worker", "search"} else set())
    recipe = (ROOT / "Makefile").read_text().split("\nsecrets:")[1].split("\n.PHONY")[0]
    assert "HELPLINE_KEYS_FILE=secrets.new/keys/keys HELPLINE_MACHINE_KEY_FILE=machine/key" in recipe
    assert "make-keys --holders $(HOLDERS)" in recipe
    assert "machine/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_is_closed_and_bounded(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].split(":")[0]) > 0
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert "privileged" not in service
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))
    assert "healthcheck" in service or name == "prepare"


def test_only_the_proxy_can_be_reached_from_outside():
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"proxy"}
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == SERVICES["redis"]["networks"] == ["inside"]


def test_ports_agree_from_the_street_to_the_process(tmp_path):
    port = settings_of("web", tmp_path).port
    assert SERVICES["web"]["expose"] == [str(port)]
    assert f"reverse_proxy web:{port}" in CADDYFILE
    for name in ("relay", "worker", "beat", "search"):
        assert SERVICES[name]["healthcheck"]["test"][-2:] == [f"http://web:{port}", name]
    inner = {street: inside.split("/")[0] for street, inside in (one.split(":") for one in SERVICES["proxy"]["ports"])}
    assert inner == {
        "80": re.search(r"http_port (\d+)", CADDYFILE)[1],
        "443": re.search(r"https_port (\d+)", CADDYFILE)[1],
    }


def test_the_upload_limit_of_the_proxy_is_the_services():
    assert f"max_size {Settings.upload_limit_bytes // 1024**2}MiB" in CADDYFILE


def test_the_database_has_the_locale_and_the_silence_of_the_embedded_one():
    given = set(shlex.split(SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"]))
    assert given <= set(INITDB)
    assert {one for one in INITDB if "locale" in one or "checksums" in one or "encoding" in one} <= given
    command = SERVICES["postgres"]["command"]
    for name in ("log_min_error_statement", "log_error_verbosity", "log_parameter_max_length"):
        assert f"{name}={CONFIGURATION[name]}" in command
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"], "where postgres:18 keeps its data"


def test_nothing_starts_before_the_database_is_prepared():
    for name in set(OURS) - {"prepare"}:
        assert OURS[name]["depends_on"]["prepare"] == {"condition": "service_completed_successfully"}
    assert OURS["prepare"]["depends_on"]["postgres"] == {"condition": "service_healthy"}


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="the client is not installed")
def test_the_client_takes_it():
    done = subprocess.run(
        ["docker-compose", "config", "-q"], cwd=ROOT, env={"PATH": "/usr/bin:/bin:/usr/local/bin", **NO_ENGINE_PLACES},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
