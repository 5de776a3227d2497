# For `odoo shell`: a company with a header and a footer, and two invoices, one of them longer than a page.
company = env.company
company.write({
    "name": "Example Trade Ltd",
    "street": "1 Long Street",
    "city": "Springfield",
    "phone": "+1 555 0100",
    "report_header": "Chairs of oak",
    "report_footer": "Bank: 123-456",
    "external_report_layout_id": env.ref("web.external_layout_standard").id,
    "paperformat_id": env.ref("base.paperformat_euro").id,
})
env.ref("l10n_generic_coa.configurable_chart_template").try_loading(company=company)
customer = env["res.partner"].create({"name": "Customer One", "street": "2 Side Road", "city": "Elsewhere"})
for lines in (3, 60):
    line = lambda number: (0, 0, {"name": "Chair%d" % number, "quantity": number + 1, "price_unit": 10.5})
    invoice = env["account.move"].create({
        "move_type": "out_invoice",
        "partner_id": customer.id,
        "invoice_line_ids": [line(number) for number in range(lines)],
    })
    invoice.action_post()
# As odoo-init.service has it.
env["ir.config_parameter"].set_param("report.url", "http://127.0.0.1:8069")
env.cr.commit()
