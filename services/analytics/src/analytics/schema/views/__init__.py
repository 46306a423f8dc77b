"""The views that join the tables into answers. Text only; `{schema}` is the projection's own."""

from analytics.schema.views.attribution import ATTRIBUTE, ATTRIBUTION
from analytics.schema.views.figures import FIGURES, FUNNEL, WILSON
from analytics.schema.views.journeys import USER_JOURNEY
from analytics.schema.views.status import PROJECTION_STATUS, SCHEDULE_HEALTH
from analytics.schema.views.view import View

VIEWS = (*FIGURES, FUNNEL, ATTRIBUTION, SCHEDULE_HEALTH, USER_JOURNEY, PROJECTION_STATUS)

__all__ = ["ATTRIBUTE", "VIEWS", "WILSON", "View"]
