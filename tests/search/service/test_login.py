"""Sessions: how they begin and end."""

from __future__ import annotations

from service import Service

from search.service.sessions import LIFE_SECONDS, Sessions
from storage.audit import list_deeds
from storage.tokens import revoke_token


def test_a_session_is_a_cookie_that_no_script_reads_and_no_other_site_sends(service: Service) -> None:
    with service.client() as client:
        answer = client.post("/login", data={"token": service.operate}, headers={"origin": service.url})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert {"httponly", "samesite=strict", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}
        assert "secure" not in cookie.lower()
        assert cookie.startswith(f"paretune_{service.port}=")
        assert service.operate not in cookie
        behind_tls = {"origin": "https://127.0.0.1:" + str(service.port)}
        assert (
            "secure"
            in client.post("/login", data={"token": service.operate}, headers=behind_tls).headers["set-cookie"].lower()
        )


def test_who_logs_in_is_in_the_audit(fresh: Service) -> None:
    with fresh.browser(fresh.read), fresh.client() as client:
        assert client.post("/login", data={"token": "wrong"}, headers={"origin": fresh.url}).status_code == 401
    told = [(deed.token, deed.action, deed.study, deed.detail) for deed in list_deeds(fresh.database, 9)]
    assert told == [("read-token", "login", None, "from 127.0.0.1")]


def test_a_session_ends_with_logout_with_its_token_and_with_time(fresh: Service) -> None:
    with fresh.browser(fresh.operate) as browser:
        before = dict(browser.cookies)
        assert browser.get("/api/me").json() == {"name": "operate-token", "role": "operate", "may_operate": True}
        assert browser.post("/logout").headers["location"] == "/login"
        browser.cookies.update(before)  # a copy that somebody kept
        assert browser.get("/api/me").status_code == 401
    with fresh.browser(fresh.read) as browser:
        revoke_token(fresh.database, "read-token")
        assert browser.get("/api/me").status_code == 401
        assert browser.post("/login", data={"token": fresh.read}).status_code == 401
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    session = sessions.begin(7)
    assert sessions.find(session) == 7
    now[0] += LIFE_SECONDS
    assert sessions.find(session) is None


def test_a_person_is_sent_to_a_login_page_without_scripts(service: Service) -> None:
    with service.client() as client:
        sent = client.get("/studies/made", headers={"accept": "text/html"})
        assert (sent.status_code, sent.headers["location"]) == (303, "/login")
        assert client.get("/api/me", headers={"accept": "text/html"}).status_code == 401
        page = client.get("/login")
        assert "<form" in page.text
        assert "<script" not in page.text
        wrong = client.post("/login", data={"token": "<script>"}, headers={"origin": service.url})
        assert (wrong.status_code, "That token is not known." in wrong.text, "<script" in wrong.text) == (
            401,
            True,
            False,
        )
