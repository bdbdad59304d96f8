"""Messages over the real app."""

from tests.support.bound import bound_headers

from trivet.notify.tasks import deliver


class TestMessages:
    def test_a_test_message_and_what_became_of_it(self, client, admin, start):
        box = start()
        made = client.post("/api/v1/messages/test", headers=admin, json={"to": ["ann@example.com"]})
        assert made.status_code == 201
        deliver()
        (item,) = client.get("/api/v1/messages", headers=admin).json()["items"]
        assert (item["key"], item["state"], item["to"]) == (made.json()["key"], "sent", ["ann@example.com"])
        assert "asked Trivet" in box.mails[0].get_body(("plain",)).get_content()

    def test_leaves_an_audit_row(self, client, admin):
        client.post("/api/v1/messages/test", headers=admin, json={"to": ["ann@example.com"]})
        (row,) = [
            r for r in client.get("/api/v1/audit", headers=admin).json()["items"] if r["action"] == "message.test"
        ]
        assert row["after"] == {"to": ["ann@example.com"]}

    def test_by_state_and_page(self, client, admin, tell):
        for n in range(3):
            tell(key=f"m{n}")
        deliver()
        assert client.get("/api/v1/messages?state=sent", headers=admin).json()["items"] == []
        first = client.get("/api/v1/messages?state=no_channel&limit=2", headers=admin).json()
        rest = client.get("/api/v1/messages", params={"cursor": first["next_cursor"]}, headers=admin).json()
        assert [i["key"] for i in first["items"] + rest["items"]] == ["m2", "m1", "m0"]
        assert client.get("/api/v1/messages?cursor=x", headers=admin).status_code == 422

    def test_a_bad_address_is_named(self, client, admin):
        refused = client.post("/api/v1/messages/test", headers=admin, json={"to": ["a@b\nBcc: c@d"]})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "to"

    def test_only_admin_and_finance_of_the_platform(self, client, make_key):
        read = {"Authorization": f"Bearer {make_key(['read'])}"}
        for headers in (read, bound_headers(make_key, "admin")):
            assert client.get("/api/v1/messages", headers=headers).status_code == 403
            body = {"to": ["a@example.com"]}
            assert client.post("/api/v1/messages/test", headers=headers, json=body).status_code == 403
