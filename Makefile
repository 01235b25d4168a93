# Two commands to know: make run, make test. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
TEXTS := helpline/translations
PY := $(VENV)/bin/python
HOLDERS ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

.PHONY: run
run: installed messages ## start everything here (PORT=8080); Ctrl-C stops it
	@exec $(PY) -m helpline.embedded.supervisor

.PHONY: test
test: installed-dev browser messages ## every test, reduced profile (about 15 minutes)
	@$(PY) -m pytest -n 2 $(ARGS)

.PHONY: nightly
nightly: installed-dev browser messages ## every test, full profile; SEED=1 repeats a run, ARGS=--lf goes on with what failed
	@seed=$${SEED:-$$RANDOM}; echo "seed $$seed"; $(PY) -m pytest -n 2 -p cacheprovider --full --hypothesis-seed=$$seed $(ARGS)

.PHONY: check
check: installed-dev messages ## format, lint, types, contracts, templates, secrets, known vulnerabilities
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(VENV)/bin/djlint --lint --quiet helpline
	@git ls-files -z ':!tests' | xargs -0 $(VENV)/bin/detect-secrets-hook --baseline .ci/secrets.json
	@git ls-files -z tests | xargs -0 $(VENV)/bin/detect-secrets-hook --baseline .ci/secrets.json --disable-plugin KeywordDetector
	@$(PY) .ci/audit

.PHONY: bench
bench: installed-dev messages ## measure sign-in, calls, cases, lists, import beside a floor
	@$(PY) -m bench $(ARGS)

.PHONY: translations
translations: installed-dev ## collect the texts of code and templates (English) into the Khmer catalogue
	@texts=$$(mktemp); trap 'rm -f "$$texts"' EXIT; \
	$(VENV)/bin/pybabel -q extract -F $(TEXTS)/babel.cfg -k lazy_gettext -k _l --add-location file --sort-by-file --project helpline \
	  -o "$$texts" helpline workers; \
	$(VENV)/bin/pybabel -q update --init-missing --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date \
	  -i "$$texts" -d $(TEXTS) -l km
	@$(MAKE) --no-print-directory messages

# Catalogues as programs read them.
.PHONY: messages
messages: $(patsubst %.po,%.mo,$(wildcard $(TEXTS)/*/LC_MESSAGES/*.po))
%.mo: %.po
	@$(VENV)/bin/pybabel -q compile -i $< -o $@ 2>/dev/null

.PHONY: lock
lock: installed-dev ## pin every requirement with its hash, from requirements*.in
	@$(PY) -m pip install -q uv
	@for name in requirements requirements-dev; do \
	  $(VENV)/bin/uv pip compile -q --universal --no-header --generate-hashes --python-version 3.11 $$name.in -o $$name.txt; done

# Each file is readable by the one account of the container that needs it: 999 is the servers', 10001 is ours.
.PHONY: secrets
secrets: installed ## what docker-compose.yml needs, in secrets/ and machine/ (as root): passwords, addresses, keys, HOLDERS=3 shares, a trial certificate
	@[ "$$(id -u)" = 0 ] || { echo "The files belong to the containers' accounts: sudo make secrets HELPLINE_DOMAIN=…" >&2; exit 1; }
	@[ -n "$(HELPLINE_DOMAIN)" ] || { echo "Name the address people open: make secrets HELPLINE_DOMAIN=helpline.example.org" >&2; exit 1; }
	@[ ! -e machine ] || { echo "machine/ is there already and is left alone; it opens the keys on this machine." >&2; exit 1; }
	@[ ! -e secrets ] || { echo "secrets/ is there already and is left alone; it holds the only keys to the data." >&2; exit 1; }
	@umask 077; mkdir secrets.new; cd secrets.new; \
	made() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }; \
	admin=$$(made); made > owner; made > web; made > worker; made > relay; made > search; redis=$$(made); \
	printf %s "$$admin" > postgres_password; \
	printf 'requirepass %s\n' "$$redis" > redis_conf; \
	printf 'redis://:%s@redis:6379/0' "$$redis" > redis_url; \
	printf 'postgresql://postgres:%s@postgres:5432/postgres' "$$admin" > database_admin_url; \
	address() { printf 'postgresql://helpline_%s:%s@postgres:5432/helpline' "$$1" "$$(cat $$1)" > $$2; rm $$1; }; \
	address owner database_owner_url; address web database_url; address worker database_worker_url; address relay database_relay_url; address search database_search_url; \
	: > smtp_password; \
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=$(HELPLINE_DOMAIN)" \
	  -addext "subjectAltName=DNS:$(HELPLINE_DOMAIN)" -keyout tls_key -out tls_certificate 2>/dev/null; \
	cd ..; HELPLINE_KEYS_FILE=secrets.new/keys/keys HELPLINE_MACHINE_KEY_FILE=machine/key $(PY) -m helpline.cli make-keys --holders $(HOLDERS); \
	chown -R 10001:10001 secrets.new machine; chown 0:0 secrets.new; chown 999:999 secrets.new/postgres_password secrets.new/redis_conf; \
	mv secrets.new secrets
	@echo "Made secrets/ and machine/. Give each key holder their share above, on paper; any two open the keys after a lock."
	@echo "Keep a copy of secrets/ away from this machine, and none of machine/: without secrets/keys the data can't be read."

.PHONY: clean
clean: ## remove the virtual environment and every cache; data stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: erase
erase: ## delete the embedded servers' data, keys and logs, after asking
	@read -r -p 'This deletes every call, case and key under var/. Type "erase" to go on: ' answer; \
	[ "$$answer" = erase ] && $(PY) -m helpline.embedded.supervisor erase

# The browser is a package of the system: say which is missing and what brings it.
.PHONY: browser
browser:
	@if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends chromium; \
	  else echo "Chromium is missing, which the browser tests drive. Install it: sudo apt-get install chromium" >&2; exit 1; fi; fi

.PHONY: installed installed-dev
installed:
	@$(PYTHON) helpline/embedded/install.py requirements.txt
installed-dev:
	@$(PYTHON) helpline/embedded/install.py requirements.txt requirements-dev.txt
