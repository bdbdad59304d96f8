"""The pages about money: costs, statements, budgets, bills, periods, prices."""
