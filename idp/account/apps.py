"""The apps that a person let use their account, and ending that."""

from starlette.responses import Response

from idp import audit
from idp.account import changes
from idp.account.access import DONE, Asking, to
from idp.audit import Event
from idp.protocol import redirects, scopes
from idp.protocol.params import Params
from idp.store import clients, consents, grants
from idp.store.consents import ConnectedApp
from idp.web import own
from idp.web.origin import origin_of
from idp.wording import Text


async def show(asking: Asking) -> Response:
    connected = await consents.of_user(asking.services.database, asking.session.user_id)
    used = await grants.last_used(asking.services.database, asking.session.user_id)
    words = asking.services.settings.scope_words
    return asking.shown(
        "account/apps.html",
        apps=[
            {
                "name": app.client_name,
                "host": _host(app),
                "scopes": [scopes.describe(scope, words).title for scope in scopes.ordered(app.scope)],
                "since": app.since.date(),
                "used": used[app.client_id].date() if app.client_id in used else None,
                "withdraw_action": f"{own.APPS}/{app.client_id}/withdraw",
            }
            for app in connected
        ],
    )


async def withdraw(asking: Asking, _: Params) -> Response:
    """Takes back what an app was allowed; every token that it got ends with it."""
    user_id, client_id = asking.session.user_id, asking.request.path_params["client_id"]
    async with asking.services.database.transaction() as transaction:
        if not await changes.locked(transaction, asking):
            return to(own.HOME)
        if not await consents.withdraw(transaction, user_id, client_id):
            return to(own.APPS)  # in another tab, or never allowed
        await grants.end_of_consent(transaction, user_id, client_id, asking.now)
        await audit.record(
            transaction,
            asking.services,
            Event.CONSENT_WITHDRAWN,
            origin_of(asking.request),
            user_id=user_id,
            client_id=client_id,
        )
        client = await clients.find(transaction, client_id)
    return asking.tell(own.APPS, DONE, _cut_off(client.client_name if client else client_id))


def _host(app: ConnectedApp) -> str:
    return redirects.host_of(app.redirect_uris[0]) if app.redirect_uris else ""


def _cut_off(name: str) -> Text:
    return Text(
        "“%(name)s” was cut off: it has no access to your account any more. It asks you before it gets any again.",
        {"name": name},
    )
