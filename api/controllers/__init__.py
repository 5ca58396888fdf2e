"""The routes, one module per resource."""

from api.controllers.execution_actions import ROUTES as EXECUTION_ACTIONS
from api.controllers.execution_bulk import ROUTES as EXECUTION_BULK
from api.controllers.execution_forms import ROUTES as EXECUTION_FORMS
from api.controllers.executions import ROUTES as EXECUTIONS
from api.controllers.flow_bulk import ROUTES as FLOW_BULK
from api.controllers.flows import ROUTES as FLOWS
from api.controllers.logs import ROUTES as LOGS
from api.controllers.misc import ROUTES as MISC
from api.controllers.webhooks import ROUTES as WEBHOOKS

ROUTES = [
    *MISC,
    *EXECUTIONS,
    *EXECUTION_ACTIONS,
    *EXECUTION_BULK,
    *EXECUTION_FORMS,
    *FLOWS,
    *FLOW_BULK,
    *LOGS,
    *WEBHOOKS,
]
