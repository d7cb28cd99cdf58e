// The result has the type of the operands.
alias Result = Vector;
