# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How modules reach the API server; named as in kubernetes.core."""

from __future__ import annotations


class ModuleDocFragment:
    """The connection options that all modules share."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path to a kubeconfig file, or several with C(:) between them.
      - What such a file would hold can be given as a dictionary.
      - Without it, without O(context), and without O(host) and a user, the account of the pod that the module runs in
        is used; outside of pods the file that E(KUBECONFIG) names, else C(~/.kube/config). This is the order of
        C(kubernetes.core), so that both mean one cluster.
      - If not set, the value of E(K8S_AUTH_KUBECONFIG) is used.
    type: raw
  context:
    description:
      - The context of the kubeconfig to use; its current context by default. Refused beside O(host).
      - If not set, the value of E(K8S_AUTH_CONTEXT) is used.
    type: str
  host:
    description:
      - URL of the API server.
      - If not set, the value of E(K8S_AUTH_HOST) is used.
    type: str
  api_key:
    description:
      - Bearer token, such as that of a ServiceAccount. It goes before the user of a kubeconfig and before the account
        of a pod. Refused beside O(client_cert).
      - If not set, the value of E(K8S_AUTH_API_KEY) is used.
    type: str
  username:
    description:
      - User name, for a proxy before the API server that asks for basic authentication.
      - If not set, the value of E(K8S_AUTH_USERNAME) is used.
    type: str
  password:
    description:
      - Password that goes with O(username).
      - If not set, the value of E(K8S_AUTH_PASSWORD) is used.
    type: str
  client_cert:
    description:
      - Path to a client certificate.
      - If not set, the value of E(K8S_AUTH_CLIENT_CERT) or E(K8S_AUTH_CERT_FILE) is used.
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - Path to the key of O(client_cert).
      - If not set, the value of E(K8S_AUTH_CLIENT_KEY) or E(K8S_AUTH_KEY_FILE) is used.
    type: path
    aliases: [key_file]
  ca_cert:
    description:
      - Path to the certificate of the authority that signed the API server's.
      - If not set, the value of E(K8S_AUTH_CA_CERT) or E(K8S_AUTH_SSL_CA_CERT) is used.
    type: path
    aliases: [ssl_ca_cert]
  validate_certs:
    description:
      - Whether to verify the API server's certificate; the kubeconfig decides by default, without one it is verified.
      - If not set, the value of E(K8S_AUTH_VALIDATE_CERTS) or E(K8S_AUTH_VERIFY_SSL) is used.
    type: bool
    aliases: [verify_ssl]
  proxy:
    description:
      - URL of an HTTP proxy to reach the API server through.
      - If not set, the value of E(K8S_AUTH_PROXY) is used.
    type: str
  no_proxy:
    description:
      - Hosts, domains and networks, with commas between them, that are reached without O(proxy).
      - If not set, the value of E(K8S_AUTH_NO_PROXY) is used.
    type: str
  proxy_headers:
    description:
      - What is told to O(proxy), to which it may refuse to serve others.
    type: dict
    suboptions:
      proxy_basic_auth:
        description:
          - User and password for the proxy, with a colon between them.
          - If not set, the value of E(K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH) is used.
        type: str
      basic_auth:
        description:
          - User and password for basic authentication, with a colon between them.
          - If not set, the value of E(K8S_AUTH_PROXY_HEADERS_BASIC_AUTH) is used.
        type: str
      user_agent:
        description:
          - What the client calls itself, such as V(foo/1.0).
          - If not set, the value of E(K8S_AUTH_PROXY_HEADERS_USER_AGENT) is used.
        type: str
  persist_config:
    description:
      - Whether to write a token that has been renewed, as OIDC does it, back to the kubeconfig file; it is not, by
        default.
      - If not set, the value of E(K8S_AUTH_PERSIST_CONFIG) is used.
    type: bool
  impersonate_user:
    description:
      - User to make all requests as; one's own rights must include that.
      - If not set, the value of E(K8S_AUTH_IMPERSONATE_USER) is used.
    type: str
  impersonate_groups:
    description:
      - Groups to make all requests as, beside O(impersonate_user).
      - If not set, the value of E(K8S_AUTH_IMPERSONATE_GROUPS) is used, with commas between them.
    type: list
    elements: str
"""
