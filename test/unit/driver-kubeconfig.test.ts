/** Which cluster a kubeconfig leads to, and as whom. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import {
  accessBy,
  findCluster,
  type Kubeconfig,
  readMaterial,
} from "../../src/scaler/drivers/kubernetes-config.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const unavailable = (words: RegExp): unknown =>
  expect.objectContaining({ code: "TARGET_UNAVAILABLE", message: expect.stringMatching(words) });

/** As `kubectl config view --raw` shows it. */
function kubeconfig(user: string, cluster = "", context = "namespace: shop"): string {
  return `
apiVersion: v1
kind: Config
current-context: home
contexts:
  - { name: away, context: { cluster: other, user: other } }
  - name: home
    context: { cluster: here, user: me, ${context} }
clusters:
  - { name: other, cluster: { server: "https://other.example" } }
  - name: here
    cluster: { server: "https://10.0.0.1:6443/", ${cluster} }
users:
  - name: me
    user: { ${user} }
`;
}

const access = (text: string, file = "/home/me/.kube/config"): ReturnType<typeof accessBy> =>
  accessBy([{ file, content: parse(text) as Kubeconfig }]);

describe("the current context", () => {
  test("tells server, namespace and token", () => {
    expect(access(kubeconfig("token: abc"))).toMatchObject({
      server: "https://10.0.0.1:6443",
      namespace: "shop",
      token: { text: "abc" },
    });
    expect(access(kubeconfig("token: abc", "", "")).namespace).toBeUndefined();
  });

  test("tells certificates that stand in it", () => {
    const user = `client-certificate-data: ${base64("cert")}, client-key-data: ${base64("key")}`;
    const cluster = `certificate-authority-data: ${base64("ca")}, tls-server-name: kube`;
    expect(access(kubeconfig(user, cluster))).toMatchObject({
      ca: { text: "ca" },
      cert: { text: "cert" },
      key: { text: "key" },
      serverName: "kube",
    });
  });

  test("tells certificates that stand in files beside it", () => {
    const user = "client-certificate: me.crt, client-key: /etc/me.key, tokenFile: ../token";
    expect(access(kubeconfig(user, "certificate-authority: ca.crt"))).toMatchObject({
      ca: { file: "/home/me/.kube/ca.crt" },
      cert: { file: "/home/me/.kube/me.crt" },
      key: { file: "/etc/me.key" },
      token: { file: "/home/me/token" },
    });
  });

  test("may be put together from several files, of which the first counts", () => {
    const first = { "current-context": "home", users: [{ name: "me", user: { token: "first" } }] };
    const second = parse(kubeconfig("token: second")) as Kubeconfig;
    const found = accessBy([
      { file: "/a", content: first },
      { file: "/b", content: second },
    ]);
    expect(found).toMatchObject({ server: "https://10.0.0.1:6443", token: { text: "first" } });
  });

  test.each([
    ["exec: { command: aws-iam }", /through the program aws-iam.*kubectl create token/],
    ["auth-provider: { name: oidc }", /through the auth provider oidc/],
    ["username: me, password: secret", /by a password/],
  ])("that logs in by %j is refused, without telling a secret", (user, words) => {
    expect(() => access(kubeconfig(user))).toThrow(unavailable(words));
    expect(() => access(kubeconfig(user))).not.toThrow(unavailable(/secret/));
  });

  test("is required, with a cluster that there is", () => {
    expect(() => access("clusters: []")).toThrow(unavailable(/kubectl config use-context/));
    expect(() => access("current-context: gone")).toThrow(unavailable(/names no cluster/));
  });
});

describe("the cluster", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "docktor-test-"));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test("is the one that KUBECONFIG leads to", () => {
    const file = join(folder, "config");
    writeFileSync(file, kubeconfig("token: abc"));
    const env = { KUBECONFIG: `${join(folder, "none")}:${file}`, HOME: folder };
    expect(findCluster(env).server).toBe("https://10.0.0.1:6443");
  });

  test("cannot be found where there is none", () => {
    expect(() => findCluster({ HOME: folder })).toThrow(unavailable(/set KUBECONFIG/));
  });

  test("cannot be told from a file that is no kubeconfig", () => {
    const file = join(folder, "config");
    writeFileSync(file, "just words");
    expect(() => findCluster({ KUBECONFIG: file })).toThrow(unavailable(/cannot be read/));
  });

  test("is asked with what a token's file says at that moment", async () => {
    const file = join(folder, "token");
    writeFileSync(file, "old");
    expect(await readMaterial({ file })).toBe("old");
    writeFileSync(file, "new");
    expect(await readMaterial({ file })).toBe("new");
  });
});
