"""The routes, one module per resource."""

from api.controllers.execution_actions import ROUTES as EXECUTION_ACTIONS
from api.controllers.execution_bulk import ROUTES as EXECUTION_BULK
from api.controllers.executions import ROUTES as EXECUTIONS
from api.controllers.flow_bulk import ROUTES as FLOW_BULK
from api.controllers.flows import ROUTES as FLOWS
from api.controllers.logs import ROUTES as LOGS
from api.controllers.misc import ROUTES as MISC

ROUTES = [*MISC, *EXECUTIONS, *EXECUTION_ACTIONS, *EXECUTION_BULK, *FLOWS, *FLOW_BULK, *LOGS]
