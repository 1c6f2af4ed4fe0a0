# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The article's ``avi_proxy`` annotation, its missing ':' mended."""

ALLOW_TENANT_DENY_ALL = (
    '{"networksecuritypolicy": {"rules": [{"index": 1000, "enable": true, "name": "allowtenant", '
    '"action": "NETWORK_SECURITY_POLICY_ACTION_TYPE_ALLOW", "match": {"microservice": {"match_criteria": "IS_IN", '
    '"group_ref": "/api/microservicegroup/?name=default-avi-microservicegroup"}}}, {"index": 2000, "enable": true, '
    '"name": "defaultdeny", "action": "NETWORK_SECURITY_POLICY_ACTION_TYPE_DENY", "match": {"client_ip": '
    '{"match_criteria": "IS_IN", "prefixes": [{"ip_addr": {"type": "V4", "addr": "0.0.0.0"}, "mask": 0}]}}}]}}'
)
