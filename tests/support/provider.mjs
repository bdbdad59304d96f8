// A real OpenID provider on loopback: `node provider.mjs <accounts.json> <callback>`. Prints its address, then serves.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import Provider from "../../web/node_modules/oidc-provider/lib/index.js";

const [accounts, callback] = [JSON.parse(readFileSync(process.argv[2], "utf8")), process.argv[3]];
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "trivet",
        client_secret: "the-secret-of-this-client",
        redirect_uris: [callback],
        response_types: ["code"],
        grant_types: ["authorization_code"],
      },
    ],
    pkce: { required: () => true },
    conformIdTokenClaims: false,
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "groups", "tenant"] },
    cookies: { keys: ["only-for-tests"] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...accounts[id] }) }),
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
