"""Initialises Odoo's database where it is empty, and sees to it that admin/admin does not log in and reports print.

It takes the options of the server, and runs before it. The password is the credential `password`
(systemd.exec(5)): read here, it is in no argument and no environment.

After a kill at any point the next run goes on: the server does not start before one succeeded.
"""

import os

# As Odoo's own program does, before anything imports `time`.
os.environ["TZ"] = "UTC"

import sys
from contextlib import closing
from pathlib import Path

import odoo
from odoo.modules.registry import Registry
from odoo.tools import config

# The login, and the password, that Odoo's data begins with.
ADMIN = "admin"
# Where the server listens.
SERVER = "http://127.0.0.1:8069"


def main():
    config.parse_config(sys.argv[1:])
    name = config["db_name"]
    with odoo.api.Environment.manage():
        registry = Registry(name) if is_initialised(name) else initialise(name)
        with closing(registry.cursor()) as cursor:
            replace_password(cursor)
            print_from_here(cursor)
            cursor.commit()


def is_initialised(name):
    """Whether the base module was installed to its end."""
    with closing(odoo.sql_db.db_connect(name).cursor()) as cursor:
        if not odoo.modules.db.is_initialized(cursor):
            return False
        cursor.execute("SELECT state FROM ir_module_module WHERE name = 'base'")
        states = [state for (state,) in cursor.fetchall()]
        return states not in ([], ["uninstalled"], ["to install"])


def initialise(name):
    """Installs the base module, without data for demonstrations."""
    config["init"]["base"] = 1
    config["without_demo"] = "all"
    return Registry.new(name, update_module=True)


def replace_password(cursor):
    """Gives whoever logs in as admin with the password admin the vault's."""
    users = odoo.api.Environment(cursor, odoo.SUPERUSER_ID, {})["res.users"]
    cursor.execute("SELECT id, password FROM res_users WHERE login = %s", [ADMIN])
    for identifier, hashed in cursor.fetchall():
        if users._crypt_context().verify(ADMIN, hashed or ""):
            users.browse(identifier).password = password()
            print("the web login of admin has its password from the vault")


def print_from_here(cursor):
    """Has reports load styles and pictures from this server itself, where nothing else is set.

    By the name that browsers know they would come through Nginx, with a certificate that need not be trusted here.
    """
    parameters = odoo.api.Environment(cursor, odoo.SUPERUSER_ID, {})["ir.config_parameter"]
    if not parameters.get_param("report.url"):
        parameters.set_param("report.url", SERVER)


def password():
    text = Path(os.environ["CREDENTIALS_DIRECTORY"], "password").read_text().rstrip("\n")
    if text in ("", ADMIN):
        sys.exit("error: passwords/odoo-admin.txt of the vault is empty, or `admin`")
    return text


main()
