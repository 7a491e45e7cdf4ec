"""The development mailbox: what would have been mailed. Never part of production."""

from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from wallet.api import answers
from wallet.application.ports import KeptMail, Mailbox

router = APIRouter(tags=["Development"], include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Mail of this wallet</title></head>
<body>
<h1>Mail of this wallet</h1>
<p>What would have been sent, newest first. <a href="/dev/mail">Load again</a></p>
{mails}
</body>
</html>
"""
_MAIL = """<article>
<h2>{subject}</h2>
<p>To {recipient}, <time>{sent_at}</time></p>
<pre>{text}</pre>
</article>
<hr>
"""


@router.get("/dev/mail")
async def list_mail(request: Request, recipient: str | None = None) -> Response:
    """Return the kept mails, newest first: as a page for browsers, as JSON for everybody else."""
    mailbox: Mailbox = request.app.state.mailbox
    mails = [mail for mail in mailbox.recent() if recipient in (None, mail.recipient)]
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(_PAGE.format(mails="".join(map(_article, mails)) or "<p>None yet.</p>"))
    return JSONResponse({"items": [_document(mail) for mail in mails], "next_cursor": None})


def _document(mail: KeptMail) -> dict[str, Any]:
    return {
        "id": mail.id,
        "sent_at": answers.moment(mail.sent_at),
        "recipient": mail.recipient,
        "subject": mail.subject,
        "text": mail.text,
    }


def _article(mail: KeptMail) -> str:
    return _MAIL.format(
        subject=escape(mail.subject),
        recipient=escape(mail.recipient),
        sent_at=escape(answers.moment(mail.sent_at)),
        text=escape(mail.text),
    )
