//! Odoo's reports, printed by the program that is rendered as Odoo's `wkhtmltopdf`, around Debian's own, and looked at
//! as text and as pictures.

mod pages;
mod pdf;
mod printer;
mod safety;
