"""Logs in at Odoo, asks whether it can print, and prints: each argument is REPORT/DOCUMENTS=FILE."""

import json
import sys
import time
from http.cookiejar import CookieJar
from urllib.error import URLError
from urllib.request import HTTPCookieProcessor, Request, build_opener

ODOO = "http://127.0.0.1:8069"
browser = build_opener(HTTPCookieProcessor(CookieJar()))


def call(path, **parameters):
    body = json.dumps({"jsonrpc": "2.0", "method": "call", "params": parameters}).encode()
    request = Request(ODOO + path, body, {"Content-Type": "application/json"})
    return json.load(browser.open(request, timeout=300))["result"]


for _ in range(120):
    try:
        browser.open(ODOO + "/web/login", timeout=60).read()
        break
    except URLError:
        time.sleep(1)
call("/web/session/authenticate", db="box", login="admin", password="admin")
print("state:", call("/report/check_wkhtmltopdf"))
for argument in sys.argv[1:]:
    report, file = argument.split("=")
    began = time.monotonic()
    with browser.open("%s/report/pdf/%s" % (ODOO, report), timeout=600) as answer, open(file, "wb") as output:
        output.write(answer.read())
    print(report, "took %.1f s" % (time.monotonic() - began))
