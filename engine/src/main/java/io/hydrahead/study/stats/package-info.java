/**
 * Statistics of the study: bootstrap over haystacks within seeds, Holm's adjustment, and the three
 * statements that the study answers.
 */
package io.hydrahead.study.stats;
