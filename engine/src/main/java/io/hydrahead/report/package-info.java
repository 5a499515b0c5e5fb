/**
 * A self-contained HTML report: {@link io.hydrahead.report.ReportInput} is what it shows, read from
 * the JSON files of the other steps by {@link io.hydrahead.report.ReportFiles}; {@link
 * io.hydrahead.report.Report} writes the page. No scripts, no fonts, nothing from outside.
 */
package io.hydrahead.report;
