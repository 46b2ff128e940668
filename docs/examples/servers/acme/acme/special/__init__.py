"""What only one family can do: arithmetic on invoices, free slots in calendars, leave balances. One module for each family."""

from acme.special import (
    billing,
    calendar,
    crm,
    currency,
    deploy,
    docs,
    expenses,
    facilities,
    hr,
    mail,
    marketing,
    observe,
    procurement,
    tickets,
    warehouse,
    weather,
)

MODULES = (
    billing,
    calendar,
    crm,
    currency,
    deploy,
    docs,
    expenses,
    facilities,
    hr,
    mail,
    marketing,
    observe,
    procurement,
    tickets,
    warehouse,
    weather,
)
FUNCTIONS = {f"{module.__name__.rpartition('.')[2]}.{function.__name__}": function for module in MODULES for function in module.FUNCTIONS}
VIEWS = {"billing.invoice": billing.invoice, "procurement.order": procurement.order}
