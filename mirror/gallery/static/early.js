// Runs before anything is shown: what needs scripts is shown, what stands in for them is not.
"use strict";
document.documentElement.classList.add("js");
