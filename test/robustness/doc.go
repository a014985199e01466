// Package robustness kills real processes under load and then checks every record against what the producers were told: no acknowledged
// record is lost, none is there twice, and an offset names the same record for ever (invariants L1, L2, L4 and P1 of the
// reliability design).
//
// WEIR_TEST_BROKER_KILLS and WEIR_TEST_UP_KILLS set the numbers of kills; `make crash N=` sets both.
package robustness
