// Package script runs the command line as users type it: `weir` itself, and the AWS CLI of both generations, in the scripts of testdata.
// TestBetterThanMSK runs the commands of a page of the guide and compares their answers with the page's.
// Beside testscript's own commands there are up, interrupt, aws, until, setvar, roundtrip and gone; see commands.
package script
