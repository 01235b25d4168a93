import threading, os
import psycopg
from werkzeug.serving import make_server
from playwright.sync_api import sync_playwright
from tests.factories import retention as made
from tests.factories.cases import open_case
from tests.factories.calls import logged_call
from tests.factories.accounts import sign_in
from helpline.retention.services import finding, erasing, ledger as lg
from helpline.retention.vocabulary import Why

OUT = "/work/wt/scratch-erasure/look"

def test_look(app, world, rows, ledger, at_worker):
    os.makedirs(OUT, exist_ok=True)
    with app.app_context():
        ids = [open_case(world, summary="Sokha was beaten.", age=12) for _ in range(4)]
        for i in ids: made.close_case(world.supervisor, i)
        rows("UPDATE cases SET closed_at = now() - interval '9 years' WHERE id = ANY (%s)", ids[1:])
        calls = [logged_call(world.operator) for _ in range(2)]
        rows("UPDATE calls SET started_at = now() - interval '5 years', ended_at = NULL WHERE id = ANY (%s)", calls)
        made.hold(world.supervisor, ids[3])
        a = made.propose(world.supervisor, ids[0])
        made.approve(world.admin, a)
    at_worker(finding.sweep); at_worker(erasing.carry_out_due); at_worker(lg.compare)
    with app.app_context():
        b = made.propose(world.supervisor, ids[2], why=Why.RULE)
    server = make_server("127.0.0.1", 8977, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pages = {"due": ("supervisor", "/retention"), "holds": ("supervisor", "/retention/holds"), "erasures": ("admin", "/retention/erasures"),
             "rules": ("admin", "/retention/rules"), "record": ("supervisor", f"/retention/records/{ids[1]}"), "held": ("supervisor", f"/retention/records/{ids[3]}"),
             "approval": ("admin", f"/approvals/{b}"), "case": ("supervisor", f"/cases/{ids[0]}")}
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for locale in ("en", "km"):
            rows("UPDATE users SET locale = %s WHERE centre_id = %s", locale, world.centre.id)
            cookies = {}
            for role in ("supervisor", "admin"):
                c = app.test_client(); sign_in(c, getattr(world, role), fresh=True)
                cookies[role] = next(c._cookies.values().__iter__()).value
            for size in ((1366, 768), (390, 844)):
                for name, (role, path) in pages.items():
                    ctx = browser.new_context(viewport={"width": size[0], "height": size[1]})
                    ctx.add_cookies([{"name": "helpline", "value": cookies[role], "url": "http://127.0.0.1:8977"}])
                    page = ctx.new_page(); r = page.goto("http://127.0.0.1:8977" + path)
                    print(name, locale, size, r.status, page.evaluate("document.documentElement.scrollWidth"), page.locator(".btn.main:visible").count())
                    page.screenshot(path=f"{OUT}/{name}-{locale}-{size[0]}.png", full_page=size[0] < 500)
                    ctx.close()
        browser.close()
    server.shutdown()
