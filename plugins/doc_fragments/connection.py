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
      - Path to a kubeconfig file.
      - Without it and without O(host), the file that E(KUBECONFIG) names is used, else C(~/.kube/config), else the
        account of the pod that the module runs in.
      - If not set, the value of E(K8S_AUTH_KUBECONFIG) is used.
    type: path
  context:
    description:
      - The context of the kubeconfig to use; its current context by default.
      - If not set, the value of E(K8S_AUTH_CONTEXT) is used.
    type: str
  host:
    description:
      - URL of the API server.
      - If not set, the value of E(K8S_AUTH_HOST) is used.
    type: str
  api_key:
    description:
      - Bearer token, such as that of a ServiceAccount.
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
      - If not set, the value of E(K8S_AUTH_CERT_FILE) is used.
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - Path to the key of O(client_cert).
      - If not set, the value of E(K8S_AUTH_KEY_FILE) is used.
    type: path
    aliases: [key_file]
  ca_cert:
    description:
      - Path to the certificate of the authority that signed the API server's.
      - If not set, the value of E(K8S_AUTH_SSL_CA_CERT) is used.
    type: path
    aliases: [ssl_ca_cert]
  validate_certs:
    description:
      - Whether to verify the API server's certificate; the kubeconfig decides by default, without one it is verified.
      - If not set, the value of E(K8S_AUTH_VERIFY_SSL) is used.
    type: bool
    aliases: [verify_ssl]
  proxy:
    description:
      - URL of an HTTP proxy to reach the API server through.
      - If not set, the value of E(K8S_AUTH_PROXY) is used.
    type: str
"""
