"""The test bed itself: what every other test stands on."""

import socket

import psycopg
import pytest
import redis


def test_every_login_reaches_its_own_copy_as_itself(make_database):
    urls = make_database("bed_probe", template="template0")
    for login, url in urls.items():
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT current_user, current_database()").fetchone() == (
                f"helpline_{login}", "bed_probe",
            )  # fmt: skip


def test_the_worker_has_a_migrated_database(database_urls):
    with psycopg.connect(database_urls["owner"]) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_the_broker_answers_on_a_database_of_our_own(redis_url, worker_number):
    others = f"{redis_url.rsplit('/', 1)[0]}/{worker_number}"
    with redis.Redis.from_url(redis_url) as client, redis.Redis.from_url(others) as other:
        client.set("bed:ours", "1")
        assert other.get("bed:ours") is None
        assert client.delete("bed:ours") == 1


def test_nothing_but_loopback_can_be_reached():
    with pytest.raises(Exception, match="allowed"), socket.socket() as probe:
        probe.connect(("192.0.2.1", 80))
