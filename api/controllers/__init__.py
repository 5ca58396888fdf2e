"""The routes, one module per resource."""

from api.controllers import (
    concurrency,
    dashboards,
    execution_actions,
    execution_bulk,
    execution_files,
    execution_forms,
    executions,
    flow_bulk,
    flows,
    graphs,
    kv,
    language,
    log_audit,
    logs,
    misc,
    namespace_files,
    namespaces,
    plugins,
    triggers,
    webhooks,
)

TWO_ONLY = [*triggers.TWO_ONLY, *plugins.TWO_ONLY]
"""Routes that contradict what 1.x answers: served where a 2.x version is reported."""

ROUTES = [
    *misc.ROUTES,
    *executions.ROUTES,
    *execution_actions.ROUTES,
    *execution_bulk.ROUTES,
    *execution_files.ROUTES,
    *execution_forms.ROUTES,
    *webhooks.ROUTES,
    *flows.ROUTES,
    *flow_bulk.ROUTES,
    *graphs.ROUTES,
    *concurrency.ROUTES,
    *logs.ROUTES,
    *kv.ROUTES,
    *namespaces.ROUTES,
    *namespace_files.ROUTES,
    *triggers.ROUTES,
    *language.ROUTES,
    *log_audit.ROUTES,
    *dashboards.ROUTES,
    *plugins.ROUTES,
]
