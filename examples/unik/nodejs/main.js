console.log(`hello from nodejs: ${process.argv.slice(2).join("|")}`);
