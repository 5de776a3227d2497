"""Sets up PgAdmin once: its tables, its first user, and a connection to the server of this machine.

Arguments: the mail address of the user, and the file with the connection. The password is the credential
`password` (systemd.exec(5)): read here, it is in no argument and no environment.

After a kill at any point the next run goes on: all tables and the user come in one transaction.
"""

import os
import sys
from pathlib import Path

# PgAdmin's own programs are beside its configuration, and expect to find it.
import pgadmin4

for folder in pgadmin4.__path__:
    sys.path.insert(0, folder)

import builtins

builtins.SERVER_MODE = True

import config
import pgadmin.setup


def main(email, connection):
    # What would ask at a terminal, or the environment: the first migration calls it.
    pgadmin.setup.user_info = lambda: (email, password())
    from pgadmin import create_app
    from pgadmin.model import Server, User
    from pgadmin.setup import create_app_data_directory
    from pgadmin.utils import load_database_servers

    create_app_data_directory(config)
    app = create_app(config.APP_NAME + "-cli")
    with app.test_request_context():
        user = User.query.filter_by(email=email).first()
        if user and not Server.query.filter_by(user_id=user.id).first():
            done, message = load_database_servers(connection, None, email, True)
            if not done:
                sys.exit(f"error: the connection was not loaded: {message}")


def password():
    text = Path(os.environ["CREDENTIALS_DIRECTORY"], "password").read_text().rstrip("\n")
    if len(text) < config.PASSWORD_LENGTH_MIN:
        sys.exit(
            "error: PgAdmin takes no password of fewer than "
            f"{config.PASSWORD_LENGTH_MIN} characters\n"
            "hint: give passwords/pgadmin-admin.txt of the vault a longer one, "
            "and restart pgadmin-init.service"
        )
    return text


main(*sys.argv[1:])
