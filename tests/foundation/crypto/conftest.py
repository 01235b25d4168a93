import pytest

from helpline.foundation.crypto import keyring


@pytest.fixture
def key_path(tmp_path):
    path = tmp_path / "keys.json"
    keyring.make_keys(path, generated=True)
    return path


@pytest.fixture(scope="module", autouse=True)
def installed_ring(tmp_path_factory):
    """One ring for the module (property tests run many examples); whatever was installed before comes back."""
    before = keyring._Port.ring, keyring._Port.wrapper
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    keyring.make_keys(path, generated=True)
    ring = keyring.KeyRing.open(path)
    keyring.install(ring)
    yield ring
    keyring._Port.ring, keyring._Port.wrapper = before
